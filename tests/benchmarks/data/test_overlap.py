"""Overlap of training and evaluation: a hashed search finds what a naive one finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.overlap import RUN, apart, run_hashes

token_lists = st.lists(st.integers(0, 2), max_size=20)
runs = st.sampled_from([1, 2, 4, 8])


def arrays(lists):
    return [np.asarray(tokens, np.int64) for tokens in lists]


def random_tokens(seed, count):
    return np.random.default_rng(seed).integers(0, 32000, count)


@given(st.lists(token_lists, max_size=3), st.lists(token_lists, max_size=4), runs)
def test_windows_apart_are_those_of_a_naive_search(windows, documents, run):
    wanted = {
        tuple(document[i : i + run])
        for document in documents
        for i in range(0, len(document) - run + 1, run)
    }
    expected = [
        number
        for number, window in enumerate(windows)
        if not wanted & {tuple(window[i : i + run]) for i in range(len(window) - run + 1)}
    ]
    assert list(apart(arrays(windows), documents, run)) == expected


@given(token_lists, runs)
def test_equal_runs_and_no_others_have_equal_hashes(tokens, run):
    hashes_P = run_hashes(np.asarray(tokens, np.int64), run).tolist()
    cut = [tuple(tokens[i : i + run]) for i in range(len(tokens) - run + 1)]
    assert len(hashes_P) == len(cut)
    assert len(set(zip(cut, hashes_P, strict=True))) == len(set(cut)) == len(set(hashes_P))


def test_any_common_text_of_two_runs_is_found():
    document, common = random_tokens(0, 1000), 2 * RUN - 1
    for start in range(0, len(document) - common, 37):
        window_T = random_tokens(start + 1, 512)
        window_T[200 : 200 + common] = document[start : start + common]
        assert list(apart([window_T], [document.tolist()])) == []


@pytest.mark.parametrize("changed", [None, 0, RUN // 2, RUN - 1])
def test_one_other_token_is_no_common_run(changed):
    document = random_tokens(0, RUN)
    window_T = np.concatenate([random_tokens(1, 50), document, random_tokens(2, 50)])
    if changed is None:
        window_T = window_T[: 50 + RUN - 1]  # the run goes beyond the window
    else:
        window_T[50 + changed] += 1
    assert list(apart([window_T], [document.tolist()])) == [0]


def test_equal_hashes_of_other_tokens_are_no_overlap(monkeypatch):
    monkeypatch.setattr("benchmarks.data.overlap.BASE", 0)  # only the last token then counts
    assert list(apart(arrays([[1, 2, 3], [1, 5, 3]]), [[5, 3]], run=2)) == [0]


@pytest.mark.parametrize("evaluation", [[], [[]], [[1] * (RUN - 1)]])
def test_nothing_to_compare_with(evaluation):
    assert list(apart([np.ones(500, np.int64), np.ones(3, np.int64)], evaluation)) == [0, 1]

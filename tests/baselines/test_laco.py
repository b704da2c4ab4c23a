"""LaCo merges layers as its paper and its released code say; golden facts, no model."""

import pytest
from made_up_evaluator import MadeUpEvaluator, searched
from pydantic import ValidationError
from removal_plans import removed, run

from baselines.removal.laco import LaCo
from cqil.edits.weight_edit import LayerMerge
from cqil.methods.evidence import Evidence


def always(_):
    return 1.0


def bases(bench):
    """Base and last layer of the newest merge of every question."""
    return [(merges[-1].into, merges[-1].taken) for merges in bench.merges]


def test_laco_steps_down_by_one_where_a_merge_is_refused():
    bench = MadeUpEvaluator(8, cosines=lambda merges: 0.5)
    found = searched(LaCo(threshold=0.5, window=3, interval=2, low=2), bench)
    assert bases(bench) == [(5, (6, 7)), (4, (5, 6)), (3, (4, 5)), (2, (3, 4))]
    assert found["merges"] == []
    with pytest.raises(ValueError, match=r"\Athreshold: 0\.5 accepts no merge[^\n]*\Z"):
        LaCo(threshold=0.5).plan(Evidence(num_layers=8, search_result=found))


def test_laco_steps_down_by_the_interval_where_a_merge_is_accepted():
    bench = MadeUpEvaluator(12, cosines=always)
    method = LaCo(threshold=0.9, window=3, interval=4)
    found = searched(method, bench)
    assert bases(bench) == [(9, (10, 11)), (5, (6, 7)), (1, (2, 3))]
    plan = method.plan(Evidence(num_layers=12, search_result=found))
    assert removed(plan) == {10, 11, 6, 7, 2, 3}
    assert method.merges(Evidence(num_layers=12, search_result=found)) == (
        LayerMerge(9, (10, 11), "paper"),
        LayerMerge(5, (6, 7), "paper"),
        LayerMerge(1, (2, 3), "paper"),
    )


def test_laco_counts_in_the_shorter_stack_and_fits_its_window_into_it():
    bench = MadeUpEvaluator(8, cosines=always)
    LaCo(threshold=0.9, window=4, interval=1).search(bench)
    # After the first merge layers 0 to 4 are left, so the next window is 1 to 4 and holds a
    # layer that has taken in others; then 0 and 1 are left, which hold no window.
    assert bases(bench) == [(4, (5, 6, 7)), (1, (2, 3, 4))]


def test_laco_asks_about_all_merges_so_far():
    bench = MadeUpEvaluator(12, cosines=always)
    LaCo(threshold=0.9, window=3, interval=4).search(bench)
    assert [len(merges) for merges in bench.merges] == [1, 2, 3]


def test_laco_leaves_layers_outside_its_range_alone():
    bench = MadeUpEvaluator(12, cosines=always)
    plan = run(LaCo(threshold=0.9, window=3, interval=1, low=3, high=10), bench)
    assert {0, 1, 2, 10, 11} <= set(plan.layers)
    assert bases(bench)[0] == (7, (8, 9))
    assert plan.layers == (0, 1, 2, 3, 10, 11)


def test_laco_takes_the_highest_threshold_that_reaches_the_depth():
    cosine = {11: 0.97, 9: 0.7, 7: 0.81, 5: 0.72}

    def cosines(merges):
        return cosine.get(merges[-1].into, 0.1)

    method = LaCo(depth=10, window=2, interval=1, low=1)
    found = searched(method, MadeUpEvaluator(13, cosines=cosines))
    assert found["threshold"] == 0.7
    plan = method.plan(Evidence(num_layers=13, search_result=found))
    assert plan.depth == 10
    assert removed(plan) == {12, 8, 6}


def test_laco_cuts_its_last_merge_to_the_depth():
    method = LaCo(depth=8, window=4, interval=1)
    bench = MadeUpEvaluator(12, cosines=always)
    found = searched(method, bench)
    assert [row["taken"] for row in found["merges"]] == [[9, 10, 11], [6]]
    assert method.plan(Evidence(num_layers=12, search_result=found)).depth == 8


def test_laco_names_a_search_by_every_option_that_matters():
    options = {"depth": 20, "window": 4, "interval": 2, "low": 1, "high": 30, "rule": "paper"}
    other = {"depth": 19, "window": 5, "interval": 3, "low": 2, "high": 29, "rule": "notebook"}
    keys = {LaCo(**(options | {name: value})).search_key for name, value in other.items()}
    keys |= {LaCo(**options).search_key, LaCo(threshold=0.2).search_key}
    keys |= {LaCo(**{k: v for k, v in options.items() if k != "high"}).search_key}
    assert len(keys) == 9


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"depth": 2, "window": 4, "low": 4}, "depth: 2 is out of reach, 5 layers"),
        ({"depth": 2, "high": 9}, r"low, high: \[0, 9\) must hold"),
        ({"threshold": 0.5, "low": 6, "window": 3}, r"low, high: \[6, 8\) must hold"),
        ({"threshold": 0.5, "window": 9}, "low, high: .* window of 9"),
    ],
)
def test_laco_refuses_what_no_merge_can_do(options, line):
    bench = MadeUpEvaluator(8)
    with pytest.raises(ValueError, match=rf"\A{line}[^\n]*\Z"):
        LaCo(**options).search(bench)
    assert not bench.merges


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 4, "threshold": 0.5},
        {"threshold": 1},
        {"depth": 4, "window": 1},
        {"depth": 4, "interval": 0},
        {"depth": 4, "rule": "mean"},
    ],
)
def test_laco_takes_one_target_and_windows_of_two_or_more(options):
    with pytest.raises(ValidationError):
        LaCo(**options)

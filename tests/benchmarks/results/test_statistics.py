"""The report's statistics against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.results.statistics import Bootstrap, Estimate
from reports.data import number_format

BOOTSTRAP = Bootstrap(confidence=0.95, resamples=1999, seed=0)


def test_perplexity_and_ratio_by_hand():
    nll, tokens = [np.array([2.0, 6.0]), np.array([4.0])], [np.array([1.0, 3.0]), np.array([2.0])]
    assert BOOTSTRAP.ratio_of_sums(nll, tokens).value == pytest.approx(12 / 6)


def test_interval_of_the_mean_covers_the_truth_even_for_six_documents():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(300):
        bootstrap = Bootstrap(confidence=0.9, resamples=999, seed=trial)
        found = bootstrap.ratio_of_sums([rng.normal(5, 1, 6)], [np.ones(6)])
        covered += found.low <= 5 <= found.high
    # Nominal 0.9; plain percentile intervals reach about 0.80 here.
    assert 0.86 <= covered / 300 <= 0.95


def test_pairing_removes_what_documents_share():
    rng = np.random.default_rng(0)
    shared, tokens = rng.normal(300, 60, 20), np.full(20, 100.0)
    mine, theirs = shared + 5 + rng.normal(0, 1, 20), shared
    paired = BOOTSTRAP.ratio_of_sums([mine - theirs], [tokens])
    alone = BOOTSTRAP.ratio_of_sums([mine], [tokens])
    assert paired.verdict(0) == "higher"
    assert paired.high - paired.low < (alone.high - alone.low) / 10


def test_mean_over_tasks_weighs_tasks_alike():
    tasks = [np.array([1.0, 1.0]), np.zeros(98)]
    assert BOOTSTRAP.mean_of_means(tasks).value == 0.5


def test_ratio_of_medians_is_no_mean_of_ratios():
    above, below = np.array([2.0, 3.0, 100.0]), np.array([1.0, 6.0, 2.0])
    assert BOOTSTRAP.ratio_of_medians(above, below).value == 1.5
    assert np.mean(above / below) != 1.5


def test_rounds_are_drawn_for_both_arms_together():
    slow_rounds = np.array([1.0, 5.0, 2.0, 9.0, 1.5])
    found = BOOTSTRAP.ratio_of_medians(2 * slow_rounds, slow_rounds)
    assert found == Estimate(2.0, 2.0, 2.0)


def test_one_document_has_no_interval():
    found = BOOTSTRAP.ratio_of_sums([np.array([3.0])], [np.array([1.0])])
    assert found.value == 3
    assert not found.has_interval
    assert number_format.with_interval(found) == "3.00 [n/a]"
    assert found.verdict(0) == "not distinguishable"

"""The report's statistics against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.results.statistics import Bootstrap, Estimate, exp_estimate
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
        estimate = bootstrap.ratio_of_sums([rng.normal(5, 1, 6)], [np.ones(6)])
        covered += estimate.low <= 5 <= estimate.high
    # Nominal 0.9; plain percentile intervals reach about 0.80 here.
    assert 0.86 <= covered / 300 <= 0.95


def test_pairing_removes_what_documents_share():
    rng = np.random.default_rng(0)
    shared, tokens = rng.normal(300, 60, 20), np.full(20, 100.0)
    variant_nll, dense_nll = shared + 5 + rng.normal(0, 1, 20), shared
    paired = BOOTSTRAP.ratio_of_sums([variant_nll - dense_nll], [tokens])
    unpaired = BOOTSTRAP.ratio_of_sums([variant_nll], [tokens])
    assert paired.verdict(0) == "higher"
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 10


def test_mean_over_tasks_gives_each_task_one_weight():
    tasks = [np.array([1.0, 1.0]), np.zeros(98)]
    assert BOOTSTRAP.mean_of_means(tasks).value == 0.5


def test_ratio_of_medians_is_no_mean_of_ratios():
    numerators, denominators = np.array([2.0, 3.0, 100.0]), np.array([1.0, 6.0, 2.0])
    assert BOOTSTRAP.ratio_of_medians(numerators, denominators).value == 1.5
    assert np.mean(numerators / denominators) != 1.5


def test_rounds_are_drawn_for_both_variants_together():
    slow_rounds = np.array([1.0, 5.0, 2.0, 9.0, 1.5])
    estimate = BOOTSTRAP.ratio_of_medians(2 * slow_rounds, slow_rounds)
    assert estimate == Estimate(2.0, 2.0, 2.0)


def test_one_document_has_no_interval():
    estimate = BOOTSTRAP.ratio_of_sums([np.array([3.0])], [np.array([1.0])])
    assert estimate.value == 3
    assert not estimate.has_interval
    assert number_format.with_interval(estimate) == "3.00 [n/a]"
    assert estimate.verdict(0) == "not distinguishable"


def test_a_function_of_an_estimate_keeps_the_ends_in_order():
    estimate = Estimate(2.0, 1.0, 4.0)
    assert estimate.map(lambda share: 100 * share) == Estimate(200.0, 100.0, 400.0)
    assert estimate.map(lambda ratio: 1 / ratio) == Estimate(0.5, 0.25, 1.0)


@pytest.mark.parametrize("convert", [exp_estimate, lambda estimate: estimate.map(abs)])
def test_what_has_no_interval_gets_none(convert):
    assert convert(Estimate(1.0)).value >= 1
    assert not convert(Estimate(1.0)).has_interval

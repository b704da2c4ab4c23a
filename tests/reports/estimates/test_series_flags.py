"""Flags on made-up series: rates of false alarms, and faults that must be found; McNemar's test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from reports.estimates.mcnemar import mcnemar
from reports.estimates.series_flags import (
    BIMODAL,
    BIMODAL_ALARM,
    DRIFT,
    DRIFT_ALARM,
    drifts,
    is_bimodal,
    series_flags,
)

SERIES = 600
DISTRIBUTIONS = {
    "flat": lambda rng, n: rng.random(n),
    "normal": lambda rng, n: rng.normal(10, 1, n),
    "exponential": lambda rng, n: 5 + rng.exponential(size=n),
    "long tail": lambda rng, n: np.exp(rng.normal(size=n)),
}


def share(test, rounds, draw):
    """Of made-up series of so many rounds, those that the test flags."""
    rng = np.random.default_rng(rounds)
    return sum(test(draw(rng, rounds)) for _ in range(SERIES)) / SERIES


def within(rate, nominal):
    """Not significantly above the nominal rate."""
    return binomtest(round(rate * SERIES), SERIES, nominal, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("rounds", [5, 9, 15, 30])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_series_of_one_mode_are_rarely_flagged(name, rounds):
    assert within(share(is_bimodal, rounds, DISTRIBUTIONS[name]), BIMODAL_ALARM)
    assert within(share(drifts, rounds, DISTRIBUTIONS[name]), DRIFT_ALARM)


@pytest.mark.parametrize(("rounds", "power"), [(9, 0.8), (15, 0.95), (30, 0.99)])
def test_two_modes_are_found(rounds, power):
    def two(rng, n):
        return rng.normal(10, 0.1, n) + (rng.permutation(n) < n // 3)

    assert share(is_bimodal, rounds, two) > power


@pytest.mark.parametrize("rounds", [9, 30])
def test_a_drift_is_found(rounds):
    def rising(rng, n):
        return 10 + np.linspace(0, 1, n) + rng.normal(0, 0.1, n)

    assert share(drifts, rounds, rising) > 0.9


def test_one_outlier_is_no_mode_and_no_drift():
    series = np.full(15, 2.0) + np.arange(15) % 4 / 100
    series[6] = 9
    assert series_flags(series) == ""


def test_flags_tell_faults_apart():
    wobble = np.array([3, 1, 4, 1.5, 5, 2, 6, 3.5, 2.5, 4.5, 1.2]) / 100
    assert series_flags(1 + wobble + np.arange(11) / 10) == DRIFT
    assert series_flags(1 + wobble + np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0])) == BIMODAL


@pytest.mark.parametrize("series", [np.ones(9), np.array([1.0, 2, 3, 9])])
def test_equal_or_few_rounds_have_no_flags(series):
    assert series_flags(series) == ""


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], (0, 0, 1.0)),
        ([1, 0, 0], [0, 1, 0], (1, 1, 1.0)),
        ([1] * 8 + [0], [0] * 9, (8, 0, 2 / 256)),
        ([0] * 8 + [1] * 2, [1] * 8 + [0] * 2, (2, 8, 2 * (1 + 10 + 45) / 1024)),
    ],
)
def test_mcnemar_counts_throws_of_a_coin(first, second, expected):
    assert mcnemar(np.array(first), np.array(second)) == pytest.approx(expected)


def test_mcnemar_rarely_tells_equals_apart():
    rng = np.random.default_rng(0)
    told_apart = 0
    for _ in range(SERIES):
        hard = rng.random(60)
        first, second = (rng.random(60) > hard for _ in range(2))
        told_apart += mcnemar(first.astype(float), second.astype(float))[2] < 0.05
    assert within(told_apart / SERIES, 0.05)

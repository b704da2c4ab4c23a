"""Flags on series of times that a median does not describe: two modes, or a drift.

Each flag is a test on one number a round. Its null distribution is simulated for that many rounds,
so that the rate of false alarms is known.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats

BIMODAL, DRIFT = "†", "‡"
BIMODAL_ALARM, DRIFT_ALARM = 0.05, 0.01
"""How often a series without the fault gets the flag, at most."""
NOTE = (
    f"{BIMODAL} two modes: the rounds fall into two clusters with an empty gap between them; "
    f"{DRIFT} drift: the rounds rise or fall with time (Spearman). Chance gives at most "
    f"{BIMODAL_ALARM:.0%} and {DRIFT_ALARM:.0%} of series without a fault such a flag."
)
_DRAWS = 9999


def series_flags(rounds: np.ndarray) -> str:
    """BIMODAL, DRIFT, both or nothing, for [rounds] numbers in the order of time."""
    return BIMODAL * is_bimodal(rounds) + DRIFT * drifts(rounds)


def is_bimodal(rounds: np.ndarray) -> bool:
    """Whether the widest gap between two clusters is too large a share of the whole range.

    It is too large for a flat and for an exponential distribution, the unimodal distributions with
    the widest gaps. False for fewer than five rounds.
    """
    if len(rounds) < 5 or np.ptp(rounds) == 0:
        return False
    return bool(_gap(np.asarray(rounds)) > _widest_by_chance(len(rounds)))


def drifts(rounds: np.ndarray) -> bool:
    """Whether the ranks of times and of rounds are correlated. False for fewer than five rounds."""
    if len(rounds) < 5 or np.ptp(rounds) == 0:
        return False
    rho = abs(stats.spearmanr(np.arange(len(rounds)), rounds).statistic)
    by_chance = _rank_correlations(len(rounds))
    # The observed order counts as one of the draws (Phipson and Smyth 2010).
    return bool((1 + np.sum(by_chance >= rho - 1e-12)) / (1 + _DRAWS) < DRIFT_ALARM)


def _gap(rounds: np.ndarray) -> np.ndarray:
    """[...] of [..., rounds]: widest gap with a fifth of the rounds on each side, over range."""
    ordered = np.sort(rounds, axis=-1)
    count = ordered.shape[-1]
    min_cluster = max(2, -(-count // 5))
    inner = np.diff(ordered, axis=-1)[..., min_cluster - 1 : count - min_cluster]
    return inner.max(-1) / (ordered[..., -1] - ordered[..., 0])


@cache
def _widest_by_chance(count: int) -> float:
    """Gap that a series of `count` rounds without a fault exceeds with the rate BIMODAL_ALARM."""
    rng = np.random.default_rng(count)
    draws = (rng.random((_DRAWS, count)), rng.exponential(size=(_DRAWS, count)))
    return max(float(np.quantile(_gap(series), 1 - BIMODAL_ALARM)) for series in draws)


@cache
def _rank_correlations(count: int) -> np.ndarray:
    """[_DRAWS] absolute correlations of time with orders drawn at random."""
    ranks = np.random.default_rng(count).random((_DRAWS, count)).argsort(-1)
    centred, time = ranks - ranks.mean(-1, keepdims=True), np.arange(count) - (count - 1) / 2
    return np.abs(centred @ time) / (time @ time)

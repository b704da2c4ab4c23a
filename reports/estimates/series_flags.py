"""Marks on series of times that a median does not describe: two modes, or a drift.

Each is a test on one number a round, with a null distribution that is simulated for that many
rounds, so that the rate of false alarms is known.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats

BIMODAL, DRIFT = "†", "‡"
BIMODAL_ALARM, DRIFT_ALARM = 0.05, 0.01
"""How often a series without the fault is marked, at most."""
NOTE = (
    f"{BIMODAL} two modes: the rounds fall into two clusters with an empty gap between them; "
    f"{DRIFT} drift: they rise or fall with time (Spearman). In a series without the fault chance "
    f"alone marks at most {BIMODAL_ALARM:.0%} and {DRIFT_ALARM:.0%}."
)
_DRAWS = 9999


def series_flags(rounds: np.ndarray) -> str:
    """The marks of a series, one number a round in the order of time; most have none."""
    return BIMODAL * is_bimodal(rounds) + DRIFT * drifts(rounds)


def is_bimodal(rounds: np.ndarray) -> bool:
    """Whether the widest gap between two clusters is too large a share of the whole range.

    Too large for a flat and for an exponential distribution, the unimodal ones of wide gaps.
    """
    if len(rounds) < 5 or np.ptp(rounds) == 0:
        return False
    return bool(_gap(np.asarray(rounds)) > _widest_by_chance(len(rounds)))


def drifts(rounds: np.ndarray) -> bool:
    """Whether the ranks of times and of rounds are correlated."""
    if len(rounds) < 5 or np.ptp(rounds) == 0:
        return False
    rho = abs(stats.spearmanr(np.arange(len(rounds)), rounds).statistic)
    by_chance = _rank_correlations(len(rounds))
    # The observed order is one of those that chance may give (Phipson and Smyth 2010).
    return bool((1 + np.sum(by_chance >= rho - 1e-12)) / (1 + _DRAWS) < DRIFT_ALARM)


def _gap(rounds: np.ndarray) -> np.ndarray:
    """[...] widest gap that leaves a fifth of the rounds [..., n] on each side, over the range."""
    ordered = np.sort(rounds, axis=-1)
    count = ordered.shape[-1]
    least = max(2, -(-count // 5))
    inner = np.diff(ordered, axis=-1)[..., least - 1 : count - least]
    return inner.max(-1) / (ordered[..., -1] - ordered[..., 0])


@cache
def _widest_by_chance(count: int) -> float:
    rng = np.random.default_rng(count)
    drawn = (rng.random((_DRAWS, count)), rng.exponential(size=(_DRAWS, count)))
    return max(float(np.quantile(_gap(series), 1 - BIMODAL_ALARM)) for series in drawn)


@cache
def _rank_correlations(count: int) -> np.ndarray:
    """[_DRAWS] absolute, of orders drawn at random."""
    ranks = np.random.default_rng(count).random((_DRAWS, count)).argsort(-1)
    centred, time = ranks - ranks.mean(-1, keepdims=True), np.arange(count) - (count - 1) / 2
    return np.abs(centred @ time) / (time @ time)

"""Intervals for paired measurements: numpy and scipy only.

Variants are scored on the same documents and timed in the same rounds, so differences are taken
within a document or a round before anything is averaged. Intervals are bootstrap percentiles;
those of means are widened for few documents (Hesterberg 2015, "expanded percentile"), since the
plain ones are too narrow there. Every draw is seeded: equal data give equal intervals.
What stops a measurement and what the report shows are the same estimates. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from scipy import stats

NAN = math.nan
MAX_TABLED_DOCUMENTS = 64
"""Documents of which a table of draws is kept."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; an interval that cannot be drawn is NaN, NaN."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def has_interval(self) -> bool:
        return not math.isnan(self.low)

    def verdict(self, neutral: float) -> str:
        """Which side of `neutral` the whole interval lies on."""
        if self.has_interval and self.high < neutral:
            return "lower"
        if self.has_interval and self.low > neutral:
            return "higher"
        return "not distinguishable"

    def map(self, function: Callable[[float], float]) -> Estimate:
        """The estimate of a monotonic function of the value; a decreasing one swaps the ends."""
        if not self.has_interval:
            return Estimate(function(self.value))
        low, high = sorted((function(self.low), function(self.high)))
        return Estimate(function(self.value), low, high)


NO_ESTIMATE = Estimate(NAN)


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn."""

    confidence: float
    resamples: int
    seed: int

    def ratio_of_sums(self, above: Sequence[np.ndarray], below: Sequence[np.ndarray]) -> Estimate:
        """Both hold one array a stratum, and documents are drawn within their stratum.

        With log-likelihoods over tokens this is the mean per token.
        """
        drawn_above, drawn_below = np.zeros(self.resamples), np.zeros(self.resamples)
        for stratum, (numerator, denominator) in enumerate(zip(above, below, strict=True)):
            times = times_drawn(len(numerator), self.resamples, self.seed + stratum)
            drawn_above += times @ numerator
            drawn_below += times @ denominator
        value = sum(map(np.sum, above)) / sum(map(np.sum, below))
        return self._of_means(value, drawn_above / drawn_below, [len(part) for part in above])

    def mean_of_means(self, strata: Sequence[np.ndarray]) -> Estimate:
        """Mean over strata of each stratum's mean: a task counts once, however many documents.

        Few documents share their draws with all variants; many are drawn over distinct values, so
        that thousands of right-or-wrong documents cost nothing.
        """
        means = np.zeros(self.resamples)
        for stratum, values in enumerate(strata):
            if len(values) <= MAX_TABLED_DOCUMENTS:
                times = times_drawn(len(values), self.resamples, self.seed + stratum)
                means += times @ values / len(values)
                continue
            rng = np.random.default_rng(self.seed + stratum)
            distinct, counts = np.unique(values, return_counts=True)
            times = rng.multinomial(len(values), counts / len(values), size=self.resamples)
            means += times @ distinct / len(values)
        value = float(np.mean([values.mean() for values in strata]))
        return self._of_means(value, means / len(strata), [len(values) for values in strata])

    def of_totals(self, score: Callable[[np.ndarray], np.ndarray], counts: np.ndarray) -> Estimate:
        """A score of counts [documents, K] that are summed first, as corpus BLEU is.

        `score` takes totals [..., K]; for a paired difference the columns of both arms stand side
        by side.
        """
        drawn = score(times_drawn(len(counts), self.resamples, self.seed) @ counts)
        return self._of_means(float(score(counts.sum(axis=0))), drawn, [len(counts)])

    def ratio_of_medians(self, above: np.ndarray, below: np.ndarray) -> Estimate:
        """The same rounds are drawn for both arms, which ran interleaved."""
        drawn = self._medians(above) / self._medians(below)
        value = float(np.median(above) / np.median(below))
        return self._interval(value, drawn, len(above), self.tail)

    def median(self, values: np.ndarray) -> Estimate:
        drawn = self._medians(values)
        return self._interval(float(np.median(values)), drawn, len(values), self.tail)

    @property
    def tail(self) -> float:
        """Probability to leave out on each side."""
        return (1 - self.confidence) / 2

    def _medians(self, rounds: np.ndarray) -> np.ndarray:
        return drawn_medians(tuple(rounds.tolist()), self.resamples, self.seed)

    def _of_means(self, value: float, drawn: np.ndarray, sizes: Sequence[int]) -> Estimate:
        """Small samples understate their spread; a smaller tail makes up for it."""
        freedom = sum(sizes) - len(sizes)
        quantile = stats.t.isf(self.tail, freedom) * math.sqrt(sum(sizes) / max(freedom, 1))
        return self._interval(value, drawn, min(sizes), float(stats.norm.sf(quantile)))

    def _interval(self, value: float, drawn: np.ndarray, least: int, tail: float) -> Estimate:
        if least < 2:
            return Estimate(float(value))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Estimate(float(value), float(low), float(high))


@cache
def times_drawn(size: int, resamples: int, seed: int) -> np.ndarray:
    """[resamples, size]: how often each resample holds each document; shared by all variants."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(float)


@cache
def rounds_drawn(size: int, resamples: int, seed: int) -> np.ndarray:
    """[resamples, size] indices; shared by all arms, whose rounds ran interleaved."""
    return np.random.default_rng(seed).integers(size, size=(resamples, size))


@lru_cache(maxsize=64)
def drawn_medians(rounds: tuple[float, ...], resamples: int, seed: int) -> np.ndarray:
    """[resamples]: median of each; kept, since an arm is compared more than once."""
    size, half = len(rounds), len(rounds) // 2
    drawn = np.sort(np.array(rounds)[rounds_drawn(size, resamples, seed)], axis=1)
    return drawn[:, half] if size % 2 else (drawn[:, half - 1] + drawn[:, half]) / 2


def exp_estimate(estimate: Estimate) -> Estimate:
    """From nats to perplexity, or from a difference of nats to a ratio of perplexities."""
    return estimate.map(_exp)


def _exp(nats: float) -> float:
    """A model that has lost everything can exceed what a float holds."""
    return math.inf if nats >= 709 else math.exp(nats)


def standard_error(values: np.ndarray) -> float:
    """Of the mean; NaN for a single document."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else NAN


PHASES = ("prefill", "decode", "end to end")


def phase_times(runs: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    """Phase -> one time a round: prefill, the median decode step, and the sum of all.

    `runs` has the seconds of each step of each round, the prefill first.
    """
    steps = np.asarray(runs, dtype=float)
    return {
        "prefill": steps[:, 0],
        "decode": np.median(steps[:, 1:], axis=1),
        "end to end": steps.sum(axis=1),
    }

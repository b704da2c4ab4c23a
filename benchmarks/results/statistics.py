"""Intervals for paired measurements, with numpy and scipy. Imports no torch.

Variants are scored on the same documents and timed in the same rounds, so differences are taken
within a document or a round before they are averaged. Intervals are bootstrap percentiles. Those of
means are widened for few documents, where plain percentiles are too narrow (Hesterberg 2015,
"expanded percentile"). Every draw is seeded: equal data give equal intervals. One estimate both
stops a measurement and is shown in the report.
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
"""Up to so many documents, their resamples are one cached table."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; the bounds are NaN where there are too few samples."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def has_interval(self) -> bool:
        """Whether there were enough samples for an interval."""
        return not math.isnan(self.low)

    def verdict(self, neutral: float) -> str:
        """The side of `neutral` that the whole interval lies on, if any."""
        if self.has_interval and self.high < neutral:
            return "lower"
        if self.has_interval and self.low > neutral:
            return "higher"
        return "not distinguishable"

    def map(self, function: Callable[[float], float]) -> Estimate:
        """The estimate of a monotonic function of the value; a decreasing one swaps the bounds."""
        if not self.has_interval:
            return Estimate(function(self.value))
        low, high = sorted((function(self.low), function(self.high)))
        return Estimate(function(self.value), low, high)


NO_ESTIMATE = Estimate(NAN)
"""Stands where nothing was measured."""


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are estimated."""

    confidence: float
    resamples: int
    seed: int

    def ratio_of_sums(
        self, numerators: Sequence[np.ndarray], denominators: Sequence[np.ndarray]
    ) -> Estimate:
        """Sum of all numerators over the sum of all denominators, such as nats per token.

        Both hold one array [documents] per stratum; documents are drawn within their stratum.
        """
        numerator_draws, denominator_draws = np.zeros(self.resamples), np.zeros(self.resamples)
        for stratum, (above, below) in enumerate(zip(numerators, denominators, strict=True)):
            counts = resample_counts(len(above), self.resamples, self.seed + stratum)
            numerator_draws += counts @ above
            denominator_draws += counts @ below
        value = sum(map(np.sum, numerators)) / sum(map(np.sum, denominators))
        sizes = [len(stratum) for stratum in numerators]
        return self._of_means(value, numerator_draws / denominator_draws, sizes)

    def mean_of_means(self, strata: Sequence[np.ndarray]) -> Estimate:
        """Mean over strata of each stratum's mean: each task weighs as much as every other.

        Small strata share their resamples with all variants. Large ones are drawn over distinct
        values, which is cheap for thousands of documents that are either right or wrong.
        """
        means = np.zeros(self.resamples)
        for stratum, values in enumerate(strata):
            if len(values) <= MAX_TABLED_DOCUMENTS:
                counts = resample_counts(len(values), self.resamples, self.seed + stratum)
                means += counts @ values / len(values)
                continue
            rng = np.random.default_rng(self.seed + stratum)
            distinct, frequencies = np.unique(values, return_counts=True)
            counts = rng.multinomial(len(values), frequencies / len(values), size=self.resamples)
            means += counts @ distinct / len(values)
        value = float(np.mean([values.mean() for values in strata]))
        return self._of_means(value, means / len(strata), [len(values) for values in strata])

    def of_totals(self, score: Callable[[np.ndarray], np.ndarray], counts: np.ndarray) -> Estimate:
        """A score of counts [documents, K] that are summed over documents, such as corpus BLEU.

        `score` takes totals [..., K]. For a paired difference the columns of both variants stand
        side by side.
        """
        draws = score(resample_counts(len(counts), self.resamples, self.seed) @ counts)
        return self._of_means(float(score(counts.sum(axis=0))), draws, [len(counts)])

    def ratio_of_medians(self, numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
        """Median over median of values [rounds]; the same rounds are drawn for both."""
        draws = self._median_draws(numerators) / self._median_draws(denominators)
        value = float(np.median(numerators) / np.median(denominators))
        return self._interval(value, draws, len(numerators), self.tail)

    def median(self, values: np.ndarray) -> Estimate:
        """Median of values [rounds]."""
        draws = self._median_draws(values)
        return self._interval(float(np.median(values)), draws, len(values), self.tail)

    @property
    def tail(self) -> float:
        """Probability outside of the interval, on each side."""
        return (1 - self.confidence) / 2

    def _median_draws(self, rounds: np.ndarray) -> np.ndarray:
        return resampled_medians(tuple(rounds.tolist()), self.resamples, self.seed)

    def _of_means(self, value: float, draws: np.ndarray, sizes: Sequence[int]) -> Estimate:
        """The interval of a mean; small samples understate their spread, so its tail is smaller."""
        freedom = sum(sizes) - len(sizes)
        quantile = stats.t.isf(self.tail, freedom) * math.sqrt(sum(sizes) / max(freedom, 1))
        return self._interval(value, draws, min(sizes), float(stats.norm.sf(quantile)))

    def _interval(self, value: float, draws: np.ndarray, size: int, tail: float) -> Estimate:
        """Without an interval where the smallest of the samples has one element."""
        if size < 2:
            return Estimate(float(value))
        low, high = np.quantile(draws, [tail, 1 - tail])
        return Estimate(float(value), float(low), float(high))


@cache
def resample_counts(size: int, resamples: int, seed: int) -> np.ndarray:
    """[resamples, size]: how often each resample holds each document; shared by all variants."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(float)


@cache
def resample_indices(size: int, resamples: int, seed: int) -> np.ndarray:
    """[resamples, size]: rounds of each resample; shared by all variants of interleaved rounds."""
    return np.random.default_rng(seed).integers(size, size=(resamples, size))


@lru_cache(maxsize=64)
def resampled_medians(rounds: tuple[float, ...], resamples: int, seed: int) -> np.ndarray:
    """[resamples]: the median of each resample; cached, since a variant is compared repeatedly."""
    size, half = len(rounds), len(rounds) // 2
    draws = np.sort(np.array(rounds)[resample_indices(size, resamples, seed)], axis=1)
    return draws[:, half] if size % 2 else (draws[:, half - 1] + draws[:, half]) / 2


def exp_estimate(estimate: Estimate) -> Estimate:
    """From nats to perplexity, or from a difference of nats to a ratio of perplexities."""
    return estimate.map(_exp)


def _exp(nats: float) -> float:
    """e to the power of `nats`; infinity where that exceeds a float, as for a broken model."""
    return math.inf if nats >= 709 else math.exp(nats)


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean; NaN for a single document."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else NAN


PHASES = ("prefill", "decode", "end to end")


def phase_times(samples: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    """Phase -> seconds [rounds]: the prefill, the median decode step, and the sum of all steps.

    `samples` [rounds, steps] has the seconds of each step, the prefill first.
    """
    steps = np.asarray(samples, dtype=float)
    return {
        "prefill": steps[:, 0],
        "decode": np.median(steps[:, 1:], axis=1),
        "end to end": steps.sum(axis=1),
    }

"""From raw samples of a probe to the figures of the model, robustly: medians and Theil-Sen lines.

A median ignores rounds that the machine disturbed, a Theil-Sen line the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from scipy import stats


class FittedLine(NamedTuple):
    """T(S) = alpha + beta x S."""

    alpha: float
    beta: float


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> FittedLine:
    """Neither figure is negative: noise must not make a message pay for itself.

    One size alone gives a constant. Raises ValueError without any.
    """
    if not sizes:
        raise ValueError("samples: none to fit; probe the machine again")
    if len(set(sizes)) == 1:
        return FittedLine(median(seconds), 0.0)
    beta = max(0.0, float(stats.theilslopes(seconds, sizes).slope))
    alpha = median(t - beta * size for size, t in zip(sizes, seconds, strict=True))
    return FittedLine(max(0.0, alpha), beta)


class FittedSteps(NamedTuple):
    """What decode steps of equal bytes in more or fewer stages say."""

    stage_s: float
    bytes_per_s: float


def fit_steps(stages: Sequence[int], seconds: Sequence[float], read: float) -> FittedSteps:
    """All steps read the same `read` bytes, so time that grows with stages is spent on launches."""
    line = fit_line(stages, seconds)
    # Where launches hide all reading, what is left of it is at least a tenth of the fastest step.
    reading = max(line.alpha, min(seconds) / 10)
    return FittedSteps(line.beta, read / reading)

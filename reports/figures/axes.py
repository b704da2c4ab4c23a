"""What figures share: error bars, and logarithmic axes that people can read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.results.statistics import Estimate


def error_bar(estimate: Estimate) -> np.ndarray:
    """[2, 1] distances to the ends of the interval; NaN draws none."""
    return np.array([[estimate.value - estimate.low], [estimate.high - estimate.value]])


def error_bars(estimates: Sequence[Estimate]) -> np.ndarray:
    """[2, n]: `bars` of several, drawn in one call, which costs a fraction of n calls."""
    return np.hstack([error_bar(estimate) for estimate in estimates])


def readable_log(axes: Axes) -> None:
    """Ticks at 1, 2 and 5, written out."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())

"""What figures share: error bars, and logarithmic axes with readable ticks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.results.statistics import Estimate


def values(estimates: Sequence[Estimate]) -> list[float]:
    """The value of each estimate, without its interval."""
    return [estimate.value for estimate in estimates]


def error_bars(estimates: Sequence[Estimate]) -> np.ndarray:
    """[2, estimates] distances to the ends of the intervals; a NaN draws no bar.

    One call of `errorbar` for many estimates is much faster than one call for each.
    """
    below = [estimate.value - estimate.low for estimate in estimates]
    above = [estimate.high - estimate.value for estimate in estimates]
    return np.array([below, above])


def readable_log(axes: Axes) -> None:
    """Ticks of the y axis at 1, 2 and 5 times powers of ten, as plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())

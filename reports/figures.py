"""Figures of similarity and searches. Others: `depth.py`, `plans.py`, `latency_figure.py`.

Each function draws one figure from estimates that `measures.py` made, or returns None where there
is nothing to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from benchmarks.statistics import Estimate
from reports.load import Results
from reports.style import COLOURS


def similarity(results: Results) -> Figure | None:
    """Cosine of every two states of the residual stream, and what each layer changes."""
    if results.similarity is None:
        return None
    figure = Figure(figsize=(5.2, 5.6))
    above, below = figure.subplots(2, height_ratios=(3, 1))
    image = above.imshow(results.similarity.cosine, cmap="cividis", interpolation="nearest")
    above.set(xlabel="Input of layer (the last is the output)", ylabel="Input of layer")
    figure.colorbar(image, ax=above, label="Mean cosine", shrink=0.85)
    influence = results.similarity.block_influence
    below.bar(range(len(influence)), influence, color=COLOURS["cqil"], width=0.7)
    below.set(xlabel="Layer", ylabel="Block influence", yscale="log")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def searches(results: Results) -> Figure | None:
    """Calibration perplexity of every start that was tried; the filled point was chosen."""
    # Other searches than that for a start are told in the plans that they chose.
    shown = [search for search in results.searches if "start" in search and "grid" in search]
    if not shown:
        return None
    rows = math.ceil(len(shown) / 2)
    figure = Figure(figsize=(5.2, 0.5 + 1.8 * rows))
    panels = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axes, search in zip(panels, shown, strict=False):
        _search(axes, search)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return figure


def _search(axes: Axes, search: dict) -> None:
    grid = sorted(search["grid"], key=lambda row: row["start"])
    starts = [row["start"] for row in grid]
    values = [math.exp(row["nll"]) for row in grid]
    colour = COLOURS["cqil"]
    axes.plot(starts, values, color=colour, marker="o", fillstyle="none")
    chosen = [pair for pair in zip(starts, values, strict=True) if pair[0] == search["start"]]
    axes.plot(*zip(*chosen, strict=True), color=colour, marker="o", markersize=8)
    axes.set_title(f"groups of {search['group_size']}, depth {search['depth']}")
    axes.set(xlabel="First grouped layer", ylabel="Perplexity")
    readable_log(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")


def by_variant(frame: pd.DataFrame, column: str) -> dict[str, Estimate]:
    return dict(zip(frame["variant"], frame[column], strict=True))


def bars(estimate: Estimate) -> np.ndarray:
    """[2, 1] distances to the ends of the interval; NaN draws none."""
    return np.array([[estimate.value - estimate.low], [estimate.high - estimate.value]])


def spans(estimates: Sequence[Estimate]) -> np.ndarray:
    """[2, n]: `bars` of several, drawn in one call, which costs a fraction of n calls."""
    return np.hstack([bars(estimate) for estimate in estimates])


def readable_log(axes: Axes) -> None:
    """Ticks at 1, 2 and 5, written out."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())

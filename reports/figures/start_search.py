"""Calibration perplexity of every start that the search tried."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.data.results import Results
from reports.figures.axes import readable_log
from reports.figures.style import COLOURS


def search_figure(results: Results) -> Figure | None:
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

"""Calibration perplexity of every start of the groups that the search tried."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.results.statistics import Estimate, exp_estimate
from reports.data.results import Results, StartSearch
from reports.figures.elements import readable_log
from reports.figures.style import COLOURS


def search_figure(results: Results) -> Figure | None:
    """A panel for each search for a start; the filled point was chosen. None without a search."""
    searches = results.searches
    if not searches:
        return None
    num_rows = math.ceil(len(searches) / 2)
    figure = Figure(figsize=(5.2, 0.5 + 1.8 * num_rows))
    panels = list(figure.subplots(num_rows, 2, squeeze=False).flat)
    for axes, search in zip(panels, searches, strict=False):
        _draw_search(axes, search)
    for axes in panels[len(searches) :]:
        axes.set_visible(False)
    return figure


def _draw_search(axes: Axes, search: StartSearch) -> None:
    grid = sorted(search.grid, key=lambda entry: entry.start)
    perplexities = {e.start: exp_estimate(Estimate(e.nll)).value for e in grid}
    starts, chosen, colour = list(perplexities), search.start, COLOURS["cqil"]
    axes.plot(starts, list(perplexities.values()), color=colour, marker="o", fillstyle="none")
    if chosen in perplexities:
        axes.plot(chosen, perplexities[chosen], color=colour, marker="o", markersize=8)
    axes.set_title(f"groups of {search.group_size}, depth {search.depth}")
    axes.set(xlabel="First grouped layer", ylabel="Perplexity")
    readable_log(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")

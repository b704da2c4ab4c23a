"""Every rule that chooses layers as a curve of quality against depth, a column for each family.

A rule is a method with its options, at whatever depth.
"""

from __future__ import annotations

from itertools import cycle
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.labels import family_name
from reports.data.results import Results
from reports.estimates.quality import mean_accuracies, over_all_texts
from reports.estimates.rule_curves import Curves, rule_curves
from reports.figures.elements import MIN_LINE_POINTS, error_bars, readable_log, values
from reports.figures.style import INK

# Okabe and Ito's palette without its yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#595959")
MARKERS = ("o", "s", "v", "D", "^", "P", "X", "*")
CLIP = 20
"""Beyond this multiple of dense a curve leaves the panel: there is no quality left to compare."""


class QualityRow(NamedTuple):
    """One row of panels."""

    label: str
    estimates: dict[str, Estimate]
    """Variant -> its quality."""


def rule_panels(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> Figure | None:
    """A line for each rule; perplexity above, mean accuracy below, where it was measured.

    Dashed: dense. None where no rule was measured at two depths, or dense has no perplexity.
    """
    families = rule_curves(results)
    rows = _quality_rows(perplexities, accuracies)
    if not families or REFERENCE not in rows[0].estimates:
        return None
    figure = Figure(figsize=(3.1 * len(families) + 0.6, 3.3 * len(rows) + 1.6))
    grid = figure.subplots(len(rows), len(families), sharey="row", sharex="col", squeeze=False)
    for panels, row in zip(grid, rows, strict=True):
        panels[0].set_ylabel(row.label)
        for axes, curves in zip(panels, families.values(), strict=True):
            _draw_panel(axes, curves, row.estimates)
    _label_columns(grid, list(families))
    readable_log(grid[0, 0])
    dense = rows[0].estimates[REFERENCE].value
    grid[0, 0].set_ylim(0.9 * dense, CLIP * dense)
    return figure


def _quality_rows(perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> list[QualityRow]:
    """Perplexity over all texts, and mean accuracy in percent where it was measured."""
    perplexity = over_all_texts(perplexities, "perplexity")
    rows = [QualityRow("Perplexity, lower is better (log scale)", perplexity)]
    if percents := mean_accuracies(accuracies):
        rows.append(QualityRow("Mean accuracy over tasks, %", percents))
    return rows


def _draw_panel(axes: Axes, curves: Curves, estimates: dict[str, Estimate]) -> None:
    """The rules of one family; a depth without an estimate is left out."""
    for (rule, by_depth), colour, marker in zip(curves.items(), cycle(PALETTE), cycle(MARKERS)):
        depths = [depth for depth, name in sorted(by_depth.items()) if name in estimates]
        of_rule = [estimates[by_depth[depth]] for depth in depths]
        bars = error_bars(of_rule)
        axes.errorbar(depths, values(of_rule), yerr=bars, fmt="none", ecolor=colour)
        line = "-" if len(depths) >= MIN_LINE_POINTS else "none"
        axes.plot(depths, values(of_rule), color=colour, marker=marker, linestyle=line, label=rule)
    if REFERENCE in estimates:
        axes.axhline(estimates[REFERENCE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.grid(axis="y")


def _label_columns(grid: np.ndarray, families: list[str]) -> None:
    """Titles above the columns, the axis of depths and the legends below them."""
    for axes, family in zip(grid[0], families, strict=True):
        axes.set_title(family_name(family))
        axes.invert_xaxis()
    for axes in grid[-1]:
        axes.set_xlabel("Depth")
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

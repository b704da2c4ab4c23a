"""Every rule as a curve: quality against depth, and the same as one table, rules by depths.

A rule is a method with its options, whatever the depth. Drawn where some rule was measured at
several depths; one panel a family, so that a dozen rules stay apart.
"""

from __future__ import annotations

from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.labels import FAMILIES
from reports.data.results import Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rows import by_variant
from reports.estimates.rule_curves import Curves, rule_curves
from reports.figures.axes import error_bar, readable_log
from reports.figures.style import INK

# Okabe and Ito's palette without its yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#595959")


MARKERS = ("o", "s", "v", "D", "^", "P", "X", "*")


CLIP = 20
"""Beyond this multiple of dense a curve leaves the panel: nothing is left to compare there."""


def rule_panels(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> Figure | None:
    """One column a family, one line a rule; perplexity above, mean accuracy below if there is any.

    Dashed: dense.
    """
    families = rule_curves(results)
    quality = _quality(perplexities, accuracies)
    if not families or REFERENCE not in quality["perplexity"]:
        return None
    figure = Figure(figsize=(3.1 * len(families) + 0.6, 3.3 * len(quality) + 1.6))
    grid = figure.subplots(len(quality), len(families), sharey="row", sharex="col", squeeze=False)
    for panels, estimates in zip(grid, quality.values(), strict=True):
        for axes, rules in zip(panels, families.values(), strict=True):
            _panel(axes, rules, estimates)
    for axes, family in zip(grid[0], families, strict=True):
        axes.set_title(FAMILIES[family])
        axes.invert_xaxis()
    for axes in grid[-1]:
        axes.set_xlabel("Depth")
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    readable_log(grid[0, 0])
    dense = quality["perplexity"][REFERENCE].value
    grid[0, 0].set_ylim(0.9 * dense, CLIP * dense)
    grid[0, 0].set_ylabel("Perplexity, lower is better (log scale)")
    if len(quality) > 1:
        grid[1, 0].set_ylabel("Mean accuracy over tasks, %")
    return figure


def _quality(
    perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> dict[str, dict[str, Estimate]]:
    """Measure -> variant -> estimate; accuracy in percent, and only where it was measured."""
    found = {"perplexity": by_variant(perplexities[perplexities["text"] == ALL], "perplexity")}
    shares = by_variant(accuracies[accuracies["task"] == MEAN], "headline")
    percent = {name: e.map(lambda share: 100 * share) for name, e in shares.items()}
    return found | ({"accuracy": percent} if percent else {})


def _panel(axes: Axes, rules: Curves, estimates: dict[str, Estimate]) -> None:
    for (rule, names), colour, marker in zip(rules.items(), cycle(PALETTE), cycle(MARKERS)):
        drawn = sorted((depth, name) for depth, name in names.items() if name in estimates)
        for depth, name in drawn:
            axes.errorbar(
                depth, estimates[name].value, yerr=error_bar(estimates[name]), color=colour
            )
        values = [estimates[name].value for _, name in drawn]
        axes.plot([d for d, _ in drawn], values, color=colour, marker=marker, label=rule)
    if REFERENCE in estimates:
        axes.axhline(estimates[REFERENCE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.grid(axis="y")

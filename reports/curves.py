"""Every rule as a curve: quality against depth, and the same as one table, rules by depths.

A rule is a method with its options, whatever the depth. Drawn where some rule was measured at
several depths; one panel a family, so that a dozen rules stay apart.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.statistics import Estimate
from reports.figures import bars, by_variant, readable_log
from reports.load import Results, Variant
from reports.measures import ALL, DENSE
from reports.numbers import with_interval
from reports.style import FAMILIES, INK
from reports.tables import Table

Curves = dict[str, dict[float, str]]
"""Rule -> depth -> variant."""
DEPTHS = {"method", "depth", "speedup", "seed", "start", "end"}
"""Options that say how deep, or where by chance, and not which rule."""
# Okabe and Ito's palette without its yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#595959")
MARKERS = ("o", "s", "v", "D", "^", "P", "X", "*")
CLIP = 20
"""Beyond this multiple of dense a curve leaves the panel: nothing is left to compare there."""


def rule_of(variant: Variant) -> str:
    """`uniform p=2`, `shortened taylor`: the method and those options that are not its depth."""
    said = [variant.method]
    for name, value in variant.options.items():
        if name not in DEPTHS:
            said.append(f"p={value}" if name == "group_size" else str(value))
    return " ".join(said)


def rule_curves(results: Results) -> dict[str, Curves]:
    """Family -> its rules that were measured at two depths or more; of equals the first seed."""
    found: dict[str, Curves] = defaultdict(lambda: defaultdict(dict))
    for variant in results.variants.values():
        if variant.family != "dense":
            found[variant.family][rule_of(variant)].setdefault(variant.plan.depth, variant.name)
    kept = {
        family: {rule: names for rule, names in rules.items() if len(names) > 1}
        for family, rules in found.items()
    }
    return {family: kept[family] for family in FAMILIES if kept.get(family)}


def perplexity_curves(results: Results, perplexities: pd.DataFrame) -> Figure | None:
    """One panel a family, one line a rule; dashed: dense."""
    families = rule_curves(results)
    estimates = by_variant(perplexities[perplexities["text"] == ALL], "perplexity")
    if not families or DENSE not in estimates:
        return None
    figure = Figure(figsize=(3.1 * len(families) + 0.6, 4.2))
    panels = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, (family, rules) in zip(panels, families.items(), strict=True):
        _panel(axes, rules, estimates)
        axes.set_title(FAMILIES[family])
    readable_log(panels[0])
    dense = estimates[DENSE].value
    panels[0].set_ylim(0.9 * dense, CLIP * dense)
    panels[0].set_ylabel("Perplexity, lower is better (log scale)")
    return figure


def _panel(axes: Axes, rules: Curves, estimates: dict[str, Estimate]) -> None:
    for (rule, names), colour, marker in zip(rules.items(), cycle(PALETTE), cycle(MARKERS)):
        drawn = sorted((depth, name) for depth, name in names.items() if name in estimates)
        for depth, name in drawn:
            axes.errorbar(depth, estimates[name].value, yerr=bars(estimates[name]), color=colour)
        values = [estimates[name].value for _, name in drawn]
        axes.plot([d for d, _ in drawn], values, color=colour, marker=marker, label=rule)
    axes.axhline(estimates[DENSE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xlabel("Depth")
    axes.invert_xaxis()
    axes.grid(axis="y")
    axes.legend(fontsize=7, loc="upper left")


def curves_table(results: Results, perplexities: pd.DataFrame) -> Table:
    """Rules by depths; the lowest of each depth is the figure's lowest point there."""
    estimates = by_variant(perplexities[perplexities["text"] == ALL], "perplexity")
    families = rule_curves(results)
    depths = sorted(
        {d for rules in families.values() for names in rules.values() for d in names}, reverse=True
    )
    rows = [
        {"rule": rule, "family": FAMILIES[family]}
        | {depth: estimates.get(names.get(depth, "")) for depth in depths}
        for family, rules in families.items()
        for rule, names in rules.items()
    ]
    data = pd.DataFrame(rows).rename(columns={depth: f"depth {depth:g}" for depth in depths})
    shown = data.map(lambda cell: with_interval(cell) if isinstance(cell, Estimate) else cell)
    note = "Perplexity over all texts with its interval, for every rule at every depth."
    return Table("rules", "Every rule at every depth", data, shown.fillna("–"), note)

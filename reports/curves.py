"""Every rule as a curve: quality against depth, and the same as one table, rules by depths.

A rule is a method with its options, whatever the depth. Drawn where some rule was measured at
several depths; one panel a family, so that a dozen rules stay apart.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.statistics import NOTHING, Estimate
from reports.figures import bars, by_variant, readable_log
from reports.load import Results, Variant
from reports.measures import ALL, DENSE, MEAN
from reports.numbers import times, with_error, with_interval
from reports.style import FAMILIES, INK
from reports.tables import Table

Curves = dict[str, dict[float, str]]
"""Rule -> depth -> variant."""
DEPTHS = {"method", "depth", "speedup", "threshold", "seed", "start", "end"}
"""Options that say how deep, or where by chance, and not which rule."""
# Okabe and Ito's palette without its yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#595959")
MARKERS = ("o", "s", "v", "D", "^", "P", "X", "*")
VERDICTS = {"higher": "better", "not distinguishable": "not distinguishable", "lower": "worse"}
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
            found[variant.family][rule_of(variant)].setdefault(variant.depth, variant.name)
    kept = {
        family: {rule: names for rule, names in rules.items() if len(names) > 1}
        for family, rules in found.items()
    }
    return {family: kept[family] for family in FAMILIES if kept.get(family)}


def rule_panels(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> Figure | None:
    """One column a family, one line a rule; perplexity above, mean accuracy below if there is any.

    Dashed: dense.
    """
    families = rule_curves(results)
    quality = _quality(perplexities, accuracies)
    if not families or DENSE not in quality["perplexity"]:
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
    dense = quality["perplexity"][DENSE].value
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
    percent = {name: Estimate(*(100 * x for x in astuple(e))) for name, e in shares.items()}
    return found | ({"accuracy": percent} if percent else {})


def _panel(axes: Axes, rules: Curves, estimates: dict[str, Estimate]) -> None:
    for (rule, names), colour, marker in zip(rules.items(), cycle(PALETTE), cycle(MARKERS)):
        drawn = sorted((depth, name) for depth, name in names.items() if name in estimates)
        for depth, name in drawn:
            axes.errorbar(depth, estimates[name].value, yerr=bars(estimates[name]), color=colour)
        values = [estimates[name].value for _, name in drawn]
        axes.plot([d for d, _ in drawn], values, color=colour, marker=marker, label=rule)
    if DENSE in estimates:
        axes.axhline(estimates[DENSE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.grid(axis="y")


def curves_table(results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> Table:
    """Rules by depths: perplexity with its interval, mean accuracy with its standard error."""
    families = rule_curves(results)
    depths = sorted(
        {d for rules in families.values() for names in rules.values() for d in names}, reverse=True
    )
    quality = by_variant(perplexities[perplexities["text"] == ALL], "perplexity")
    means = accuracies[accuracies["task"] == MEAN].set_index("variant")
    data, shown = [], []
    for family, rules in families.items():
        for rule, names in rules.items():
            values: dict[str, object] = {"rule": rule, "family": FAMILIES[family]}
            words: dict[str, object] = dict(values)
            for depth in depths:
                name, head = names.get(depth, ""), f"depth {depth:g}"
                estimate = quality.get(name, NOTHING)
                values[head] = estimate
                words[head] = with_interval(estimate) if name in quality else "–"
                if name in means.index:
                    share = means.loc[name, "headline"].value
                    error = means.loc[name, "headline_se"]
                    values |= {f"{head}: accuracy": share, f"{head}: standard error": error}
                    words[head] = f"{words[head]}; {with_error(share, error)} %"
            data.append(values)
            shown.append(words)
    note = (
        "Perplexity over all texts with its interval; then mean accuracy over tasks with one "
        "standard error, where tasks were run."
    )
    frame = pd.DataFrame(data)
    return Table("rules", "Every rule at every depth", frame, pd.DataFrame(shown), note)


def searched_table(comparison: pd.DataFrame) -> Table:
    """What dynamic programming chose against the best of the others, at equal depth."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "variant": comparison["variant"],
            "against": comparison["kind"],
            "which": comparison["other"],
            "its perplexity": comparison["ratio"].map(lambda r: with_interval(r, times)),
            "verdict": comparison["verdict"].map(VERDICTS),
            "summed costs": comparison.apply(_against, axis=1, by="summed"),
            "measured loss": comparison.apply(_against, axis=1, by="excess"),
        }
    )
    note = (
        "Perplexity of the other over that of the variant, paired over the same windows: above ×1 "
        "the variant is better. The other is the best of its kind on these very windows, which "
        "favours it. Summed costs: nats that the search adds up for its own plan and for the "
        "other, each change measured alone on calibration text. Measured loss: nats a token above "
        "dense, of both."
    )
    return Table("dynamic", "Dynamic programming against the best rule", comparison, shown, note)


def _against(row: pd.Series[Any], by: str) -> str:
    own, other = row[f"own_{by}"], row[f"other_{by}"]
    return "–" if math.isnan(own + other) else f"{own:.2f} against {other:.2f}"


def searched_findings(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """One finding for each kind of rival."""
    for kind, rows in comparison.groupby("kind", sort=False):
        better = [f"{depth:g}" for depth in rows.loc[rows["verdict"] == "higher", "depth"]]
        ratios = ", ".join(
            f"depth {depth:g} {with_interval(ratio, times)} ({other})"
            for depth, ratio, other in zip(rows["depth"], rows["ratio"], rows["other"], strict=True)
        )
        where = f"at {len(better)} of {len(rows)} depths"
        yield (
            f"Dynamic programming is better than the {kind} {where}.",
            f"The other’s perplexity over its own: {ratios}.{_why_worse(rows)}",
        )


def _why_worse(rows: pd.DataFrame) -> str:
    """Where the plan that promised less loss has more, changes did not add up."""
    misled = rows[(rows["verdict"] == "lower") & (rows["own_summed"] < rows["other_summed"])]
    if misled.empty:
        return ""
    said = "; ".join(
        f"depth {row['depth']:g}: summed {_against(row, 'summed')}, "
        f"measured {_against(row, 'excess')} nats"
        for _, row in misled.iterrows()
    )
    return f" Where it is worse its costs promised less loss, but they do not add up ({said})."

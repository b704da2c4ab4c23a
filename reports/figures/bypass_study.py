"""The bypass over distance, target and group size: perplexity over that of the same groups at d=0.

Every point is paired with its groups' own plan without bypass, window by window.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.data.results import ReportedVariant, Results
from reports.figures.axes import error_bar, readable_log
from reports.figures.style import INK, variant_style

DASHES = {"ffn": "-", "ffn+residual": "--"}
"""Targets that have a distance; the others reach the whole group."""


def bypass_study(results: Results, comparison: pd.DataFrame) -> Figure | None:
    """One panel a set of groups, one line a target; below 1 the bypass helps."""
    bypassed = comparison[comparison["variant"] != comparison["without"]]
    if bypassed.empty:
        return None
    panels = list(bypassed.groupby("without", sort=False))
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(5.2, 1.0 + 2.3 * rows))
    grid = list(figure.subplots(rows, 2, sharey=True, squeeze=False).flat)
    for axes, (without, own) in zip(grid, panels, strict=False):
        _panel(axes, results, own)
        plan = results.variants[without].plan
        axes.set_title(f"p = {plan.max_group_size}, depth {plan.depth:g} ({without})")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    readable_log(grid[0])
    for axes in grid[::2]:
        axes.set_ylabel("Perplexity / no bypass (log)")
    targets = list(
        dict.fromkeys(results.variants[n].plan.bypass_target for n in bypassed["variant"])
    )
    figure.legend(
        handles=[_handle(results, bypassed, target) for target in targets],
        loc="outside lower center",
        ncols=len(targets),
    )
    return figure


def _place(variant: ReportedVariant) -> str:
    plan = variant.plan
    return f"d={plan.bypass}" if plan.bypass_target in DASHES else plan.bypass_target


def _panel(axes: Axes, results: Results, rows: pd.DataFrame) -> None:
    variants = [results.variants[name] for name in rows["variant"]]
    places = sorted({_place(v) for v in variants}, key=lambda p: (not p.startswith("d="), p))
    ratios = dict(zip(rows["variant"], rows["ratio"], strict=True))
    for target in dict.fromkeys(v.plan.bypass_target for v in variants):
        own = sorted(
            (v for v in variants if v.plan.bypass_target == target), key=lambda v: v.plan.bypass
        )
        at = [places.index(_place(v)) for v in own]
        for x, variant in zip(at, own, strict=True):
            ratio = ratios[variant.name]
            axes.errorbar(x, ratio.value, yerr=error_bar(ratio), **variant_style(variant).line())
        line = DASHES.get(target, "none")
        axes.plot(
            at,
            [ratios[v.name].value for v in own],
            color=variant_style(own[0]).colour,
            linestyle=line,
        )
    axes.axhline(1, color=INK, linestyle=":", linewidth=0.9)
    axes.set_xticks(range(len(places)), places)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.grid(axis="y")


def _handle(results: Results, rows: pd.DataFrame, target: str) -> Line2D:
    variant = next(
        v for n in rows["variant"] if (v := results.variants[n]).plan.bypass_target == target
    )
    style = variant_style(variant).line() | {"linestyle": DASHES.get(target, "none"), "marker": "o"}
    return Line2D([], [], label=target, **style)

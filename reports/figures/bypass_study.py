"""Perplexity with a bypass over that without, of the same groups, by distance and target.

Ratios are paired over the same windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.results.statistics import Estimate
from reports.data.results import ReportedVariant, Results
from reports.estimates.rows import by_variant
from reports.figures.elements import (
    MIN_LINE_POINTS,
    entry,
    error_bars,
    readable_log,
    values,
)
from reports.figures.style import INK, variant_style

LINESTYLES = {"ffn": "-", "ffn+residual": "--"}
"""Targets that have a distance; the others reach the whole group, so no line joins them."""


def bypass_study(results: Results, comparison: pd.DataFrame) -> Figure | None:
    """A panel for each set of groups, a line for each target; below 1 the bypass helps.

    `comparison` is that of `bypass_modes`. None where it holds no bypass.
    """
    bypassed = comparison[comparison["variant"] != comparison["without"]]
    if bypassed.empty:
        return None
    panels = list(bypassed.groupby("without", sort=False))
    num_rows = -(-len(panels) // 2)
    figure = Figure(figsize=(5.2, 1.0 + 2.3 * num_rows))
    # Panels have axes of their own: a bypass that collapses one would press the others flat.
    grid = list(figure.subplots(num_rows, 2, squeeze=False).flat)
    for axes, (without, rows) in zip(grid, panels, strict=False):
        _draw_panel(axes, results, rows)
        plan = results.variants[without].plan
        axes.set_title(f"p = {plan.max_group_size}, depth {plan.depth:g} ({without})")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[: len(panels)]:
        readable_log(axes)
    for axes in grid[::2]:
        axes.set_ylabel("Perplexity / no bypass (log)")
    entries = _legend_entries([results.variants[name] for name in bypassed["variant"]])
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries))
    return figure


def _draw_panel(axes: Axes, results: Results, rows: pd.DataFrame) -> None:
    """Bypasses of one set of groups side by side, those with a distance first."""
    variants = [results.variants[name] for name in rows["variant"]]
    labels = sorted(
        {_tick_label(variant) for variant in variants},
        key=lambda label: (not label.startswith("d="), label),
    )
    ratios = by_variant(rows, "ratio")
    for of_target in _by_target(variants).values():
        positions = [labels.index(_tick_label(variant)) for variant in of_target]
        _draw_target(axes, of_target, positions, [ratios[variant.name] for variant in of_target])
    axes.axhline(1, color=INK, linestyle=":", linewidth=0.9)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.grid(axis="y")


def _draw_target(
    axes: Axes,
    variants: Sequence[ReportedVariant],
    positions: Sequence[int],
    ratios: Sequence[Estimate],
) -> None:
    """A marker for each distance of one target, joined by the target's line."""
    for variant, position, ratio in zip(variants, positions, ratios, strict=True):
        style = variant_style(variant)
        axes.errorbar(position, ratio.value, yerr=error_bars([ratio]), **style.line())
    linestyle = LINESTYLES.get(variants[0].plan.bypass_target, "none")
    if len(variants) < MIN_LINE_POINTS:
        return
    colour = variant_style(variants[0]).colour
    axes.plot(positions, values(ratios), color=colour, linestyle=linestyle)


def _by_target(variants: Sequence[ReportedVariant]) -> dict[str, list[ReportedVariant]]:
    """Target -> its variants, the nearest first."""
    targets: dict[str, list[ReportedVariant]] = {}
    for variant in sorted(variants, key=lambda variant: variant.plan.bypass):
        targets.setdefault(variant.plan.bypass_target, []).append(variant)
    return {
        target: targets[target]
        for target in dict.fromkeys(variant.plan.bypass_target for variant in variants)
    }


def _tick_label(variant: ReportedVariant) -> str:
    """`d=2`, or the target where it reaches the whole group."""
    plan = variant.plan
    return f"d={plan.bypass}" if plan.bypass_target in LINESTYLES else plan.bypass_target


def _legend_entries(variants: Sequence[ReportedVariant]) -> list[Line2D]:
    """One entry for each target, in the order of the variants."""
    first_variants: dict[str, ReportedVariant] = {}
    for variant in variants:
        first_variants.setdefault(variant.plan.bypass_target, variant)
    return [
        entry(
            target,
            **variant_style(variant).line()
            | {"linestyle": LINESTYLES.get(target, "none"), "marker": "o"},
        )
        for target, variant in first_variants.items()
    ]

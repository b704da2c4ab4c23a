"""Quality against depth: a marker for each variant, for perplexity and for accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import cycle

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.number_format import significant
from reports.data.results import ReportedVariant, Results
from reports.estimates.quality import MEAN, mean_accuracies, over_all_texts
from reports.figures.elements import (
    RING,
    by_family,
    error_bars,
    fitting_columns,
    readable_log,
    values,
    variant_entries,
)
from reports.figures.style import INK, VariantStyle, variant_style

CLIP = 10
"""Beyond this multiple of the worst CQIL variant, a variant is an arrow with its value.

On a common axis a collapsed variant would press all others together.
"""
LEGEND_ROWS, LEGEND_ROW_HEIGHT = 5, 0.165
"""Rows of a legend that the figure has space for, and the inches that a further row adds."""


def perplexity_by_depth(results: Results, perplexities: pd.DataFrame) -> Figure | None:
    """Perplexity over all texts on a logarithmic axis; the dashed line is dense."""
    estimates = over_all_texts(perplexities, "perplexity")
    if not estimates:
        return None
    figure = _figure(results, estimates)
    axes = figure.subplots()
    readable_log(axes)
    limit = _upper_limit(results, estimates)
    _draw_variants(axes, results, estimates, limit)
    axes.set_ylabel("Perplexity, lower is better (log scale)")
    if math.isfinite(limit):
        axes.set_ylim(top=limit)
    return figure


def accuracy_by_depth(results: Results, accuracies: pd.DataFrame) -> Figure | None:
    """Mean over tasks in percent; the dashed line is dense, the dotted line is guessing."""
    estimates = mean_accuracies(accuracies)
    if not estimates:
        return None
    figure = _figure(results, estimates)
    axes = figure.subplots()
    chance = 100 * accuracies.loc[accuracies["task"] == MEAN, "chance"].iloc[0]
    axes.axhline(chance, color=INK, linestyle=":", linewidth=0.9)
    _draw_variants(axes, results, estimates, math.inf)
    axes.annotate(
        "guessing",
        (0.005, chance),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=7.5,
    )
    axes.set_ylabel("Mean accuracy, %")
    return figure


def _figure(results: Results, names: Iterable[str]) -> Figure:
    """An empty figure with the legend of the variants; a long legend makes it higher."""
    width, height = mpl.rcParams["figure.figsize"]
    entries = variant_entries(results.variants[name] for name in names)
    num_columns = fitting_columns(entries, width)
    num_rows = -(-len(entries) // num_columns)
    figure = Figure(figsize=(width, height + LEGEND_ROW_HEIGHT * max(0, num_rows - LEGEND_ROWS)))
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=num_columns,
        handletextpad=0.3,
        columnspacing=1.2,
    )
    return figure


def _upper_limit(results: Results, estimates: dict[str, Estimate]) -> float:
    """Where the axis ends and arrows begin; infinite where no variant is beyond CLIP."""
    of_cqil = [e.value for name, e in estimates.items() if results.variants[name].family == "cqil"]
    clip = CLIP * max(of_cqil, default=math.inf)
    drawn = [estimate.value for estimate in estimates.values() if estimate.value <= clip]
    return 2 * max(drawn) if len(drawn) < len(estimates) else math.inf


def _draw_variants(
    axes: Axes, results: Results, estimates: dict[str, Estimate], limit: float
) -> None:
    """Markers and arrows, deepest on the left, and the line of dense."""
    variants = [results.variants[name] for name in estimates]
    # Every second value stands higher, so that neighbouring values do not overlap.
    heights = cycle((6, 28))
    in_range: dict[VariantStyle, list[tuple[float, Estimate]]] = {}
    for variant, position in _side_by_side(variants):
        style, estimate = variant_style(variant), estimates[variant.name]
        if estimate.value > limit:
            _draw_arrow(axes, (position, limit), estimate.value, style.colour, next(heights))
        else:
            in_range.setdefault(style, []).append((position, estimate))
            if variant.is_healed:
                axes.plot(position, estimate.value, **RING)
    for style, points in in_range.items():
        of_style = [estimate for _, estimate in points]
        positions = [position for position, _ in points]
        axes.errorbar(positions, values(of_style), yerr=error_bars(of_style), **style.line())
    if REFERENCE in estimates:
        axes.axhline(estimates[REFERENCE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xlabel("Depth: sequential stages a token runs through")
    axes.set_xticks(sorted({variant.depth for variant in variants if variant.layers is None}))
    axes.invert_xaxis()
    axes.grid(axis="y")


def _side_by_side(variants: Iterable[ReportedVariant]) -> Iterator[tuple[ReportedVariant, float]]:
    """Variants with their position: the depth, shifted where several variants have it."""
    by_depth: dict[float, list[ReportedVariant]] = {}
    for variant in by_family(variants):
        by_depth.setdefault(variant.depth, []).append(variant)
    step = min(0.32, 2.4 / max(map(len, by_depth.values()), default=1))
    for depth, of_depth in by_depth.items():
        for index, variant in enumerate(of_depth):
            yield variant, depth - step * (index - (len(of_depth) - 1) / 2)


def _draw_arrow(
    axes: Axes, at: tuple[float, float], value: float, colour: str, height: float
) -> None:
    """An arrow at the upper edge with the value, `height` points above it."""
    axes.plot(*at, color=colour, marker="^", linestyle="none", clip_on=False)
    axes.annotate(
        significant(value),
        at,
        xytext=(0, height),
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="bottom",
        fontsize=7,
        color=colour,
    )

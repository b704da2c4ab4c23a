"""Quality against depth: one marker a variant, perplexity and accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.labels import FAMILIES
from reports.data.number_format import significant
from reports.data.results import ReportedVariant, Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rows import by_variant
from reports.figures.axes import error_bar, readable_log
from reports.figures.style import INK, variant_style

# A collapsed variant would squash the others: beyond this multiple of the worst CQIL variant it is
# drawn at the edge as an arrow with its value.
CLIP = 10


def perplexity_by_depth(results: Results, perplexities: pd.DataFrame) -> Figure | None:
    """Log axis; dashed line: dense."""
    estimates = by_variant(perplexities[perplexities["text"] == ALL], "perplexity")
    if not estimates:
        return None
    figure = Figure()
    axes = figure.subplots()
    readable_log(axes)
    edge = _edge(results, estimates)
    _against_depth(axes, results, estimates, edge)
    axes.set_ylabel("Perplexity, lower is better (log scale)")
    if math.isfinite(edge):
        axes.set_ylim(top=edge)
    return figure


def accuracy_by_depth(results: Results, accuracies: pd.DataFrame) -> Figure | None:
    """Mean over tasks in percent; dashed line: dense, dotted line: guessing."""
    mean = accuracies[accuracies["task"] == MEAN]
    estimates = {
        name: e.map(lambda share: 100 * share)
        for name, e in by_variant(mean, "headline").items()
    }
    if not estimates:
        return None
    figure = Figure()
    axes = figure.subplots()
    chance = 100 * mean["chance"].iloc[0]
    axes.axhline(chance, color=INK, linestyle=":", linewidth=0.9)
    _against_depth(axes, results, estimates, math.inf)
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


def _edge(results: Results, estimates: dict[str, Estimate]) -> float:
    """Where the axis ends and arrows stand for what lies beyond; infinite where all are near."""
    ours = [e.value for name, e in estimates.items() if results.variants[name].family == "cqil"]
    limit = CLIP * max(ours, default=math.inf)
    near = [e.value for e in estimates.values() if e.value <= limit]
    return 2 * max(near) if len(near) < len(estimates) else math.inf


def _against_depth(
    axes: Axes, results: Results, estimates: dict[str, Estimate], edge: float
) -> None:
    """One marker a variant, dodged within its depth, deepest on the left."""
    shown = [results.variants[name] for name in estimates]
    # Neighbouring values would run into each other: every second one stands higher.
    heights = cycle((6, 28))
    for variant, depth in _dodged(shown):
        style, estimate = variant_style(variant), estimates[variant.name]
        if estimate.value > edge:
            _arrow(axes, (depth, edge), estimate.value, style.colour, next(heights))
        else:
            axes.errorbar(depth, estimate.value, yerr=error_bar(estimate), **style.line())
    if REFERENCE in estimates:
        axes.axhline(estimates[REFERENCE].value, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xlabel("Depth: sequential stages a token runs through")
    axes.set_xticks(sorted({variant.depth for variant in shown if variant.layers is None}))
    axes.invert_xaxis()
    axes.grid(axis="y")
    looks = {variant_style(variant).label: variant_style(variant) for variant in by_family(shown)}
    axes.figure.legend(
        handles=[Line2D([], [], label=label, **style.line()) for label, style in looks.items()],
        loc="outside lower center",
        ncols=3,
        handletextpad=0.3,
        columnspacing=1.2,
    )


def by_family(variants: Iterable[ReportedVariant]) -> list[ReportedVariant]:
    return sorted(variants, key=lambda variant: list(FAMILIES).index(variant.family))


def _dodged(variants: Iterable[ReportedVariant]) -> Iterable[tuple[ReportedVariant, float]]:
    """Variants with their depth, shifted so that those of one depth stand side by side."""
    by_depth: dict[float, list[ReportedVariant]] = {}
    for variant in by_family(variants):
        by_depth.setdefault(variant.depth, []).append(variant)
    step = min(0.32, 2.4 / max(map(len, by_depth.values()), default=1))
    for depth, group in by_depth.items():
        for place, variant in enumerate(group):
            yield variant, depth - step * (place - (len(group) - 1) / 2)


def _arrow(axes: Axes, at: tuple[float, float], value: float, colour: str, height: float) -> None:
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

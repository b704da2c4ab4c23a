"""Elements that figures share: error bars, logarithmic axes with readable ticks, legend entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.results.statistics import Estimate
from reports.data.labels import FAMILIES, family_name
from reports.data.results import ReportedVariant, Results
from reports.figures.style import INK, backend_line, family_colour, variant_style

MARKER_WIDTH, CHARACTER_WIDTH = 0.3, 0.055
"""Inches that a marker with its spaces, and a character, take in a legend."""

MIN_LINE_POINTS = 3
"""A line through fewer points would show a course that nobody measured."""
RING: dict[str, Any] = {
    "color": INK,
    "marker": "o",
    "markersize": 9.5,
    "markeredgewidth": 0.6,
    "fillstyle": "none",
    "linestyle": "none",
}
"""Around the marker of a healed variant, which otherwise looks like its twin."""


def values(estimates: Sequence[Estimate]) -> list[float]:
    """The value of each estimate, without its interval."""
    return [estimate.value for estimate in estimates]


def error_bars(estimates: Sequence[Estimate]) -> np.ndarray:
    """[2, estimates] distances to the ends of the intervals; a NaN draws no bar.

    One call of `errorbar` for many estimates is much faster than one call for each.
    """
    below = [estimate.value - estimate.low for estimate in estimates]
    above = [estimate.high - estimate.value for estimate in estimates]
    return np.array([below, above])


def readable_log(axes: Axes) -> None:
    """Ticks of the y axis at 1, 2 and 5 times powers of ten, as plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def by_family(variants: Iterable[ReportedVariant]) -> list[ReportedVariant]:
    """Variants in the order of FAMILIES; other families come last, by name."""
    order = {family: index for index, family in enumerate(FAMILIES)}
    return sorted(variants, key=lambda v: (order.get(v.family, len(order)), v.family))


def variant_entries(variants: Iterable[ReportedVariant]) -> list[Line2D]:
    """One entry for all variants that look the same, and one for the ring of healed variants."""
    drawn = by_family(variants)
    styles = {style.label: style for style in map(variant_style, drawn)}
    entries = [entry(label, **style.line()) for label, style in styles.items()]
    if any(variant.is_healed for variant in drawn):
        entries.append(entry("healed", **RING))
    return entries


def family_entries(variants: Iterable[ReportedVariant]) -> list[Line2D]:
    """One entry for each family, in the order of the variants."""
    return [
        entry(family_name(family), color=family_colour(family), marker="o", linestyle="none")
        for family in dict.fromkeys(variant.family for variant in variants)
    ]


def backend_entries(results: Results, backends: Sequence[str]) -> list[Line2D]:
    """One entry for each backend: its marker and its label."""
    return [
        entry(results.backends[name].label, color=INK, **backend_line(results, name, backends))
        for name in backends
    ]


def fitting_columns(entries: Sequence[Line2D], width: float) -> int:
    """Columns of a legend, three at most, that fit into `width` inches."""
    lengths = [len(str(line.get_label())) for line in entries]
    for num_columns in (3, 2):
        longest = [max(column, default=0) for column in np.array_split(lengths, num_columns)]
        if MARKER_WIDTH * num_columns + CHARACTER_WIDTH * sum(longest) <= width:
            return num_columns
    return 1


def entry(label: str, **line: Any) -> Line2D:
    """An entry of a legend; `line` holds options of matplotlib's plot."""
    return Line2D([], [], label=label, **line)

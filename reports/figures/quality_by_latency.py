"""Quality against the time of a decoded token, both with intervals; time is relative to dense."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.results import Results
from reports.estimates.latency import decode_ratios
from reports.estimates.quality import mean_accuracies, over_all_texts
from reports.figures.elements import (
    RING,
    error_bars,
    fitting_columns,
    readable_log,
    values,
    variant_entries,
)
from reports.figures.style import INK, VariantStyle, variant_style

MAX_RATIO = 20
"""Variants beyond this multiple of dense are left out: there is no quality left to compare."""


class Measure(NamedTuple):
    """A quality: one row of panels."""

    label: str
    estimates: dict[str, Estimate]
    """Variant -> its quality."""
    is_log: bool


def quality_by_latency(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame, latencies: pd.DataFrame
) -> Figure | None:
    """A column for each backend; perplexity above, mean accuracy below, where it was measured.

    None where no variant has both a time of the first workload and a quality.
    """
    ratios = decode_ratios(results, latencies, results.workloads[0])
    measures = _measures(perplexities, accuracies)
    scored = {name for measure in measures for name in measure.estimates}
    comparable = {name for name in scored if results.timed_as_scored(name)}
    times = {
        backend: {name: time for name, time in of_backend.items() if name in comparable}
        for backend, of_backend in ratios.items()
        if of_backend.keys() & comparable
    }
    measures = [
        measure
        for measure in measures
        if any(measure.estimates.keys() & of_backend.keys() for of_backend in times.values())
    ]
    if not measures:
        return None
    num_rows, num_columns = len(measures), len(times)
    width = 2.6 * max(2, num_columns)
    figure = Figure(figsize=(width, 0.9 + 2.3 * num_rows))
    # Ranks can take many times as long as one device, so each backend has an axis of its own.
    grid = figure.subplots(num_rows, num_columns, sharex="col", sharey="row", squeeze=False)
    for panels, measure in zip(grid, measures, strict=True):
        for axes, of_backend in zip(panels, times.values(), strict=True):
            _draw_panel(axes, results, of_backend, measure.estimates)
        panels[0].set_ylabel(measure.label)
        if measure.is_log:
            readable_log(panels[0])
    for axes, backend in zip(grid[0], times, strict=True):
        axes.set_title(results.backends[backend].label)
    for axes in grid[-1]:
        axes.set_xlabel("Time of a decoded token,\n× dense on one device")
    drawn = [results.variants[name] for of_backend in times.values() for name in of_backend]
    entries = variant_entries(drawn)
    ncols = fitting_columns(entries, width)
    figure.legend(handles=entries, loc="outside lower center", ncols=ncols, handletextpad=0.3)
    return figure


def _measures(perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> list[Measure]:
    ratios = over_all_texts(perplexities, "ratio")
    kept = {name: ratio for name, ratio in ratios.items() if ratio.value <= MAX_RATIO}
    return [
        Measure("Perplexity, × dense (log)", kept, is_log=True),
        Measure("Mean accuracy, %", mean_accuracies(accuracies), is_log=False),
    ]


def _draw_panel(
    axes: Axes, results: Results, times: dict[str, Estimate], qualities: dict[str, Estimate]
) -> None:
    """A marker with two intervals for each variant that has both; dashed lines are dense."""
    names_by_style: dict[VariantStyle, list[str]] = {}
    for name in times:
        if name in qualities:
            style = variant_style(results.variants[name])
            names_by_style.setdefault(style, []).append(name)
            if results.variants[name].is_healed:
                axes.plot(times[name].value, qualities[name].value, **RING)
    for style, names in names_by_style.items():
        time, quality = [times[name] for name in names], [qualities[name] for name in names]
        axes.errorbar(
            values(time),
            values(quality),
            xerr=error_bars(time),
            yerr=error_bars(quality),
            elinewidth=0.7,
            **style.line(),
        )
    if REFERENCE in qualities:
        axes.axhline(qualities[REFERENCE].value, color=INK, linestyle="--", linewidth=0.7)
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.7)
    axes.grid()

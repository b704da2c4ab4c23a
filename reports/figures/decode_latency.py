"""Decode times relative to dense: a panel for each workload, a row for each variant."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.results.statistics import Estimate
from reports.data.devices import depth_can_show
from reports.data.labels import NO_ACCURACY
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.latency import decode_rows
from reports.estimates.quality_cost import QualityCost
from reports.estimates.rows import by_variant
from reports.figures.elements import backend_entries, entry, error_bars, values
from reports.figures.style import INK, backend_line, family_colour


def latency_figure(
    results: Results, latencies: pd.DataFrame, quality: dict[str, QualityCost]
) -> Figure | None:
    """Decode time relative to dense, a marker for each backend; None without decode times.

    The grey bar is what the depth alone gives, where it could: `depth_can_show`. A variant whose
    quality is not known is hollow.
    """
    decode = decode_rows(results, latencies)
    if decode.empty:
        return None
    names = [name for name in results.variants if name in set(decode["variant"])]
    backends = [backend for backend in results.backends if backend in set(decode["backend"])]
    workloads = [work for work in results.workloads if work in set(decode["workload"])]
    height = (0.13 + 0.08 * len(backends)) * len(names)
    figure = Figure(figsize=(5.2, 0.9 + (0.4 + height) * len(workloads)))
    panels = figure.subplots(len(workloads), 1, squeeze=False, sharex=True)[:, 0]
    for axes, workload in zip(panels, workloads, strict=True):
        of_workload = decode[decode["workload"] == workload]
        _draw_panel(axes, results, of_workload, names, backends, quality)
        if len(workloads) > 1:
            axes.set_title(workload, fontsize=7, loc="right")
    panels[0].set_title(latency_machine(results), fontsize=7, loc="left")
    panels[-1].set_xlabel("Time of a decoded token, relative to dense on one device")
    all_known = all(quality[name].is_known for name in names)
    _add_legend(figure, results, backends, all_known)
    return figure


def _draw_panel(
    axes: Axes,
    results: Results,
    decode: pd.DataFrame,
    names: list[str],
    backends: list[str],
    quality: dict[str, QualityCost],
) -> None:
    """One workload: grey bars of the depth, and for each backend its markers."""
    rows = list(range(len(names)))
    depths = {
        row: results.timed_depth(name) / results.model.num_layers
        for row, name in enumerate(names)
        if depth_can_show(results, results.variants[name])
    }
    axes.barh(list(depths), list(depths.values()), color=INK, alpha=0.12, height=0.85, linewidth=0)
    for index, backend in enumerate(backends):
        shift = 0.8 * ((index + 0.5) / len(backends) - 0.5)
        ratios = by_variant(decode[decode["backend"] == backend], "ratio")
        for (colour, fill), of_look in _by_look(results, ratios, quality).items():
            estimates = [ratios[name] for name in of_look]
            axes.errorbar(
                values(estimates),
                [names.index(name) + shift for name in of_look],
                xerr=error_bars(estimates),
                color=colour,
                fillstyle=fill,
                **backend_line(results, backend, backends),
            )
    labels = [name if quality[name].is_known else f"{name} ({NO_ACCURACY})" for name in names]
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_yticks(rows, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="x")


def _by_look(
    results: Results, ratios: dict[str, Estimate], quality: dict[str, QualityCost]
) -> dict[tuple[str, str], list[str]]:
    """(colour, fill style) -> the variants that have it."""
    looks: dict[tuple[str, str], list[str]] = {}
    for name in ratios:
        fill = "full" if quality[name].is_known else "none"
        looks.setdefault((family_colour(results.variants[name].family), fill), []).append(name)
    return looks


def _add_legend(figure: Figure, results: Results, backends: Sequence[str], all_known: bool) -> None:
    """A marker for each backend, a hollow one where a quality is not known, and the grey bar."""
    markers = backend_entries(results, backends)
    if not all_known:
        hollow = {"color": INK, "marker": "o", "linestyle": "none", "fillstyle": "none"}
        markers.append(entry(NO_ACCURACY, **hollow))
    bar = Patch(color=INK, alpha=0.12, linewidth=0, label="depth alone")
    num_columns = min(4, len(backends) + 2)
    figure.legend(handles=[*markers, bar], loc="outside lower center", ncols=num_columns)

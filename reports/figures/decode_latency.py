"""The figure of decode times: a panel a workload, a row a variant, a shape for what ran it."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.data.labels import NO_ACCURACY
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.quality_cost import QualityCost
from reports.estimates.rows import by_variant
from reports.figures.axes import error_bars
from reports.figures.style import COLOURS, INK, backend_line


def latency_figure(
    results: Results, latencies: pd.DataFrame, quality: dict[str, QualityCost]
) -> Figure | None:
    """Decode time relative to dense; grey: what the depth alone would give.

    A variant whose quality is not known is hollow.
    """
    known = latencies["ratio"].map(lambda ratio: not math.isnan(ratio.value))
    mine = latencies["variant"].isin(list(results.variants))
    decode = latencies[(latencies["phase"] == "decode") & known & mine]
    if decode.empty:
        return None
    names = [name for name in results.variants if name in set(decode["variant"])]
    backends = [backend for backend in list(results.backends) if backend in set(decode["backend"])]
    workloads = [work for work in results.workloads if work in set(decode["workload"])]
    height = (0.13 + 0.08 * len(backends)) * len(names)
    figure = Figure(figsize=(5.2, 0.9 + (0.4 + height) * len(workloads)))
    panels = figure.subplots(len(workloads), 1, squeeze=False, sharex=True)[:, 0]
    for axes, workload in zip(panels, workloads, strict=True):
        _panel(axes, results, decode[decode["workload"] == workload], names, backends, quality)
        if len(workloads) > 1:
            axes.set_title(workload, fontsize=7, loc="right")
    panels[0].set_title(latency_machine(results), fontsize=7, loc="left")
    panels[-1].set_xlabel("Time a decoded token takes, relative to dense on one device")
    figure.legend(
        handles=_legend(results, backends, all(quality[name].is_known for name in names)),
        loc="outside lower center",
        ncols=min(4, len(backends) + 2),
    )
    return figure


def _panel(
    axes: Axes,
    results: Results,
    decode: pd.DataFrame,
    names: list[str],
    backends: list[str],
    quality: dict[str, QualityCost],
) -> None:
    for row, name in enumerate(names):
        ideal = results.timed_depth(name) / results.model.num_layers
        axes.barh(row, ideal, color=INK, alpha=0.12, height=0.85, linewidth=0)
    for place, backend in enumerate(backends):
        shift = 0.8 * ((place + 0.5) / len(backends) - 0.5)
        for name, estimate in by_variant(decode[decode["backend"] == backend], "ratio").items():
            line = {
                "color": COLOURS[results.variants[name].family],
                **backend_line(results, backend, backends),
            }
            line["fillstyle"] = "full" if quality[name].is_known else "none"
            axes.errorbar(
                estimate.value, names.index(name) + shift, xerr=error_bars([estimate]), **line
            )
    labels = [name if quality[name].is_known else f"{name} ({NO_ACCURACY})" for name in names]
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="x")


def _legend(results: Results, backends: list[str], all_known: bool) -> list[Line2D | Patch]:
    shapes = [
        Line2D(
            [], [], color=INK, label=results.backends[p].label, **backend_line(results, p, backends)
        )
        for p in backends
    ]
    line = {"color": INK, "marker": "o", "linestyle": "none", "fillstyle": "none"}
    hollow = [] if all_known else [Line2D([], [], label=NO_ACCURACY, **line)]
    return [*shapes, *hollow, Patch(color=INK, alpha=0.12, linewidth=0, label="depth alone")]

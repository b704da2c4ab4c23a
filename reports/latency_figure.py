"""The figure of decode times: a panel a workload, a row a variant, a shape for what ran it."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.background import latency_machine
from reports.figures import by_variant, spans
from reports.latency_table import NO_ACCURACY, Quality
from reports.load import Results
from reports.style import COLOURS, INK, path_line, path_name


def latency_figure(
    results: Results, latencies: pd.DataFrame, quality: dict[str, Quality]
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
    paths = [path for path in results.paths if path in set(decode["path"])]
    workloads = [work for work in results.workloads if work in set(decode["workload"])]
    height = (0.13 + 0.08 * len(paths)) * len(names)
    figure = Figure(figsize=(5.2, 0.9 + (0.4 + height) * len(workloads)))
    panels = figure.subplots(len(workloads), 1, squeeze=False, sharex=True)[:, 0]
    for axes, workload in zip(panels, workloads, strict=True):
        _panel(axes, results, decode[decode["workload"] == workload], names, paths, quality)
        if len(workloads) > 1:
            axes.set_title(workload, fontsize=7, loc="right")
    panels[0].set_title(latency_machine(results), fontsize=7, loc="left")
    panels[-1].set_xlabel("Time a decoded token takes, relative to dense on one device")
    figure.legend(
        handles=_legend(paths, all(quality[name].is_known for name in names)),
        loc="outside lower center",
        ncols=min(4, len(paths) + 2),
    )
    return figure


def _panel(
    axes: Axes,
    results: Results,
    decode: pd.DataFrame,
    names: list[str],
    paths: list[str],
    quality: dict[str, Quality],
) -> None:
    for row, name in enumerate(names):
        ideal = results.timed_depth(name) / results.model.num_layers
        axes.barh(row, ideal, color=INK, alpha=0.12, height=0.85, linewidth=0)
    for place, path in enumerate(paths):
        shift = 0.8 * ((place + 0.5) / len(paths) - 0.5)
        for name, estimate in by_variant(decode[decode["path"] == path], "ratio").items():
            line = {"color": COLOURS[results.variants[name].family], **path_line(path, paths)}
            line["fillstyle"] = "full" if quality[name].is_known else "none"
            axes.errorbar(estimate.value, names.index(name) + shift, xerr=spans([estimate]), **line)
    labels = [name if quality[name].is_known else f"{name} ({NO_ACCURACY})" for name in names]
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="x")


def _legend(paths: list[str], all_known: bool) -> list[Line2D | Patch]:
    shapes = [Line2D([], [], color=INK, label=path_name(p), **path_line(p, paths)) for p in paths]
    line = {"color": INK, "marker": "o", "linestyle": "none", "fillstyle": "none"}
    hollow = [] if all_known else [Line2D([], [], label=NO_ACCURACY, **line)]
    return [*shapes, *hollow, Patch(color=INK, alpha=0.12, linewidth=0, label="depth alone")]

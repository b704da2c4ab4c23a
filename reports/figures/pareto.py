"""Perplexity against latency, and against the device-seconds that the latency costs.

The line is the front: no cheaper variant is as good as a point on it, beyond the noise of both.
Variants whose perplexity was not measured are hollow, at the upper edge.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results.statistics import Estimate
from reports.data.devices import device_unit
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.pareto_front import pareto_front, pareto_points
from reports.figures.elements import (
    backend_entries,
    entry,
    error_bars,
    family_entries,
    readable_log,
    values,
)
from reports.figures.style import INK, backend_line, family_colour

CLIP = 20
"""Variants beyond this multiple of dense are left out; a missing perplexity is drawn there."""


def pareto(results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame) -> Figure | None:
    """Two panels, one for each cost, of the first workload; None without decode times."""
    in_first_workload = latencies["workload"].isin(results.workloads[:1])
    is_variant = latencies["variant"].isin(list(results.variants))
    points = pareto_points(results, perplexities, latencies[in_first_workload & is_variant])
    # Beyond CLIP there is no quality left to compare; a missing number stays, hollow, at the edge.
    points = points[[not quality.value > CLIP for quality in points["quality"]]]
    if points.empty:
        return None
    backends = [backend for backend in results.backends if backend in set(points["backend"])]
    figure = Figure(figsize=(7.2, 3.4))
    panels = figure.subplots(1, 2, sharey=True)
    unit = {"core": "Core", "GPU": "GPU"}[device_unit(results)]
    costs = {"latency": "Time a decoded token", "resources": f"{unit}-seconds a decoded token"}
    for axes, (cost, label) in zip(panels, costs.items(), strict=True):
        _draw_points(axes, results, points, cost, backends)
        _draw_front(axes, points, cost)
        axes.set_xlabel(f"{label}, × dense on one device", fontsize=7)
        axes.set_xlim(left=0)
    panels[0].set_ylabel("Perplexity, × dense")
    panels[0].set_title(latency_machine(results), fontsize=7, loc="left")
    entries = [
        *family_entries(results.variants[name] for name in points["variant"]),
        *backend_entries(results, backends),
        entry("front", color=INK, linewidth=0.8),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=5)
    return figure


def _draw_points(
    axes: Axes, results: Results, points: pd.DataFrame, cost: str, backends: list[str]
) -> None:
    """A marker with both intervals for each variant and backend."""
    unknown = points["quality"].map(lambda quality: math.isnan(quality.value))
    families = points["variant"].map(lambda name: results.variants[name].family)
    for (backend, family, is_hollow), look in points.groupby(
        ["backend", families, unknown], sort=False
    ):
        line = {"color": family_colour(family), **backend_line(results, backend, backends)}
        if is_hollow:
            line["markerfacecolor"] = "none"
        qualities = [Estimate(CLIP)] * len(look) if is_hollow else list(look["quality"])
        costs, clipped = (
            list(look[cost]),
            [q.map(lambda ratio: min(ratio, CLIP)) for q in qualities],
        )
        axes.errorbar(
            values(costs),
            values(clipped),
            xerr=error_bars(costs),
            yerr=error_bars(clipped),
            elinewidth=0.6,
            **line,
        )


def _draw_front(axes: Axes, points: pd.DataFrame, cost: str) -> None:
    """The line of the front, with the names of its variants."""
    front = pareto_front(points, cost)
    costs = values(list(front[cost]))
    qualities = values(list(front["quality"]))
    axes.step(costs, qualities, where="post", color=INK, linewidth=0.8, zorder=0)
    for name, x, y in zip(front["variant"], costs, qualities, strict=True):
        axes.annotate(name, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6)
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.7)
    readable_log(axes)
    axes.grid()

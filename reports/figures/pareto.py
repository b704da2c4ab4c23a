"""Perplexity against latency, and against the device-seconds that the latency costs.

The line is the front: no other variant is both faster (or cheaper) and better than a point on it.
Variants whose perplexity was not measured are hollow, at the upper edge.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.pareto_front import pareto_front, pareto_points
from reports.figures.elements import backend_entries, entry, family_entries, readable_log
from reports.figures.style import INK, backend_line, family_colour

CLIP = 20
"""Perplexities beyond this multiple of dense are drawn at the upper edge."""
COSTS = {"latency": "Time a decoded token", "resources": "Device-seconds a token"}
"""Column of `pareto_points` -> what its axis says."""


def pareto(results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame) -> Figure | None:
    """Two panels, one for each cost, of the first workload; None without decode times."""
    in_first_workload = latencies["workload"].isin(results.workloads[:1])
    is_variant = latencies["variant"].isin(list(results.variants))
    points = pareto_points(results, perplexities, latencies[in_first_workload & is_variant])
    if points.empty:
        return None
    backends = [backend for backend in results.backends if backend in set(points["backend"])]
    figure = Figure(figsize=(7.2, 3.4))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (cost, label) in zip(panels, COSTS.items(), strict=True):
        _draw_points(axes, results, points, cost, backends)
        _draw_front(axes, points, cost)
        axes.set_xlabel(f"{label}, to dense on one device", fontsize=7)
        axes.set_xlim(left=0)
    panels[0].set_ylabel("Perplexity, relative to dense")
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
    """A marker for each variant and backend; those that look the same are drawn in one call."""
    families = points["variant"].map(lambda name: results.variants[name].family)
    looks = points.groupby(["backend", families, points["quality"].isna()], sort=False)
    for (backend, family, is_hollow), of_look in looks:
        line = {"color": family_colour(family), **backend_line(results, backend, backends)}
        if is_hollow:
            line["markerfacecolor"] = "none"
        axes.plot(of_look[cost], of_look["quality"].fillna(CLIP).clip(upper=CLIP), **line)


def _draw_front(axes: Axes, points: pd.DataFrame, cost: str) -> None:
    front = pareto_front(points, cost)
    steps = (front[cost], front["quality"].clip(upper=CLIP))
    axes.step(*steps, where="post", color=INK, linewidth=0.8, zorder=0)
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.7)
    readable_log(axes)
    axes.grid()

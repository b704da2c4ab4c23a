"""Accuracy against latency, and against what the latency costs: ranks that are busy meanwhile.

A way is on the front where none is both faster (or cheaper) and better. Variants whose accuracy was
not measured are hollow, above the axis.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.data.labels import FAMILIES
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.quality import ALL
from reports.figures.axes import readable_log
from reports.figures.style import COLOURS, INK, backend_line

CUT = 20
"""Perplexity ratios beyond this are drawn at the edge."""


def pareto(results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame) -> Figure | None:
    """Two panels, at equal time and at equal resources; None without decode times."""
    first = latencies[latencies["workload"].isin(results.workloads[:1])]
    points = pareto_points(
        results, perplexities, first[first["variant"].isin(list(results.variants))]
    )
    if points.empty:
        return None
    backends = [backend for backend in list(results.backends) if backend in set(points["backend"])]
    figure = Figure(figsize=(7.2, 3.4))
    panels = figure.subplots(1, 2, sharey=True)
    costs = {
        "latency": "Time a decoded token",
        "resources": "Device-seconds a token",
    }
    for axes, (cost, label) in zip(panels, costs.items(), strict=True):
        _panel(axes, results, points, cost, backends)
        axes.set_xlabel(f"{label}, to dense on one device", fontsize=7)
        axes.set_xlim(left=0)
    panels[0].set_ylabel("Perplexity, relative to dense")
    panels[0].set_title(latency_machine(results), fontsize=7, loc="left")
    families = dict.fromkeys(results.variants[name].family for name in points["variant"])
    handles = [
        Line2D([], [], color=COLOURS[family], marker="o", linestyle="none", label=FAMILIES[family])
        for family in families
    ]
    handles += [
        Line2D(
            [], [], color=INK, label=results.backends[p].label, **backend_line(results, p, backends)
        )
        for p in backends
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.8, label="front"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def pareto_points(
    results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame
) -> pd.DataFrame:
    """variant, backend, latency, resources, quality (NaN where not measured), all relative to dense.

    A backend that runs dense alone is left out: it is another program, not another variant.
    """
    whole = perplexities[perplexities["text"] == ALL]
    quality = {
        name: ratio.value for name, ratio in zip(whole["variant"], whole["ratio"], strict=True)
    }
    compared = latencies["backend"].map(lambda name: not results.backends[name].dense_only)
    decode = latencies[(latencies["phase"] == "decode") & compared]
    rows = [
        {
            "variant": row.variant,
            "backend": row.backend,
            "latency": row.ratio.value,
            "resources": row.ratio.value * results.backends[row.backend].ranks,
            "quality": quality.get(row.variant, np.nan),
        }
        for row in decode.itertuples()
    ]
    columns = ["variant", "backend", "latency", "resources", "quality"]
    return pd.DataFrame(rows, columns=columns).dropna(subset=["latency"])


def front(points: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The points that no other beats in both, cheapest first."""
    known = points.dropna(subset=["quality"]).sort_values([cost, "quality"])
    best = known["quality"].cummin()
    return known[(known["quality"] == best) & ~known["quality"].duplicated()]


def _panel(
    axes: Axes, results: Results, points: pd.DataFrame, cost: str, backends: list[str]
) -> None:
    for row in points.to_dict("records"):
        colour = COLOURS[results.variants[row["variant"]].family]
        known = not np.isnan(row["quality"])
        line = {"color": colour, **backend_line(results, row["backend"], backends)}
        if not known:
            line["markerfacecolor"] = "none"
        axes.plot(row[cost], min(row["quality"], CUT) if known else CUT, **line)
    best = front(points, cost)
    axes.step(
        best[cost],
        best["quality"].clip(upper=CUT),
        where="post",
        color=INK,
        linewidth=0.8,
        zorder=0,
    )
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.7)
    readable_log(axes)
    axes.grid()

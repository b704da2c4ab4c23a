"""Decode speed over dense against the size of groups."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from cqil.plan import LayerPlan
from reports.data.labels import bypass_mode
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.figures.axes import error_bar
from reports.figures.quality_by_latency import decode_ratios
from reports.figures.style import INK, backend_line, variant_style


def speed_by_group_size(results: Results, latencies: pd.DataFrame) -> Figure | None:
    """Speed-up over dense on one device, a marker a plan without bypass; a panel a workload."""
    plain = {
        name: variant.plan
        for name, variant in results.variants.items()
        if variant.family == "dense"
        or (variant.family == "cqil" and bypass_mode(variant) == "none")
    }
    drawn = {}
    for workload in results.workloads:
        times = decode_ratios(results, latencies, workload)
        own = {p: {n: e for n, e in found.items() if n in plain} for p, found in times.items()}
        if any(found.keys() - {REFERENCE} for found in own.values()):
            drawn[workload] = own
    if not drawn:
        return None
    figure = Figure(figsize=(5.2, 0.8 + 2.4 * len(drawn)))
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (workload, own) in zip(panels, drawn.items(), strict=True):
        _sizes(axes, results, plain, own)
        batch, prompt = workload.removeprefix("b").split("-p")
        where = f"batch {batch}, prompt {prompt}"
        axes.set_title(f"{where}; {latency_machine(results)}", fontsize=7, loc="left")
    panels[-1].set_xlabel("Layers in the largest group")
    backends = list(next(iter(drawn.values())))
    handles = [
        Line2D(
            [], [], color=INK, label=results.backends[p].label, **backend_line(results, p, backends)
        )
        for p in backends
    ]
    handles.append(Line2D([], [], color=INK, alpha=0.3, label="depth alone"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _sizes(
    axes: Axes,
    results: Results,
    plain: dict[str, LayerPlan],
    times: dict[str, dict[str, Estimate]],
) -> None:
    backends, sizes = list(times), sorted({plan.max_group_size for plan in plain.values()})
    for place, (backend, own) in enumerate(times.items()):
        shift = 0.5 * ((place + 0.5) / len(backends) - 0.5)
        for name, estimate in own.items():
            axes.errorbar(
                sizes.index(plain[name].max_group_size) + shift,
                1 / estimate.value,
                yerr=error_bar(estimate.map(lambda ratio: 1 / ratio)),
                color=variant_style(results.variants[name]).colour,
                **backend_line(results, backend, backends),
            )
    timed = [plan for name, plan in plain.items() if any(name in own for own in times.values())]
    for size, ideal in sorted({(plan.max_group_size, plan.ideal_speedup) for plan in timed}):
        place = sizes.index(size)
        axes.hlines(ideal, place - 0.35, place + 0.35, color=INK, alpha=0.3)
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xticks(range(len(sizes)), [f"p = {size}" if size > 1 else "dense" for size in sizes])
    axes.set_ylabel("Decode speed / dense")
    axes.grid(axis="y")

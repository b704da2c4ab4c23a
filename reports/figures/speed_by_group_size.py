"""Decode speed over dense against the size of groups."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from cqil.plan import LayerPlan
from reports.data.devices import depth_can_show
from reports.data.labels import bypass_mode
from reports.data.measured_on import latency_machine
from reports.data.results import Results
from reports.estimates.latency import decode_ratios
from reports.figures.elements import backend_entries, entry, error_bars, values
from reports.figures.style import INK, backend_line, variant_style

Times = dict[str, dict[str, Estimate]]
"""Backend -> variant -> time of a decoded token over that of dense."""


def speed_by_group_size(results: Results, latencies: pd.DataFrame) -> Figure | None:
    """Speed-up over dense on one device of plans without bypass; a panel for each workload.

    None where no such plan but dense was timed.
    """
    plans = _plain_plans(results)
    times = _times_by_workload(results, latencies, plans)
    if not times:
        return None
    figure = Figure(figsize=(5.2, 0.8 + 2.4 * len(times)))
    panels = figure.subplots(len(times), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (workload, of_workload) in zip(panels, times.items(), strict=True):
        _draw_speeds(axes, results, plans, of_workload)
        _draw_ideal_speeds(axes, results, plans, of_workload)
        batch, prompt = workload.removeprefix("b").split("-p")
        title = f"batch {batch}, prompt {prompt}; {latency_machine(results)}"
        axes.set_title(title, fontsize=7, loc="left")
    panels[-1].set_xlabel("Layers in the largest group")
    entries = backend_entries(results, list(next(iter(times.values()))))
    if any(depth_can_show(results, results.variants[n]) for n in plans if n != REFERENCE):
        entries.append(entry("depth alone", color=INK, alpha=0.3))
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries))
    return figure


def _plain_plans(results: Results) -> dict[str, LayerPlan]:
    """Dense and the unhealed grouped plans without bypass, by variant."""
    return {
        variant.name: variant.plan
        for variant in results.unhealed
        if variant.family == "dense"
        or (variant.family == "cqil" and bypass_mode(variant) == "none")
    }


def _times_by_workload(
    results: Results, latencies: pd.DataFrame, plans: dict[str, LayerPlan]
) -> dict[str, Times]:
    """Workload -> times of the plans; workloads that time no plan but dense are left out."""
    times_by_workload = {}
    for workload in results.workloads:
        times = {
            backend: {name: ratio for name, ratio in ratios.items() if name in plans}
            for backend, ratios in decode_ratios(results, latencies, workload).items()
        }
        if any(ratios.keys() - {REFERENCE} for ratios in times.values()):
            times_by_workload[workload] = times
    return times_by_workload


def _draw_speeds(axes: Axes, results: Results, plans: dict[str, LayerPlan], times: Times) -> None:
    """A marker for each plan, those of one group size side by side by backend."""
    backends, sizes = list(times), _group_sizes(plans.values())
    for index, (backend, ratios) in enumerate(times.items()):
        shift = 0.5 * ((index + 0.5) / len(backends) - 0.5)
        names_by_colour: dict[str, list[str]] = {}
        for name in ratios:
            colour = variant_style(results.variants[name]).colour
            names_by_colour.setdefault(colour, []).append(name)
        for colour, names in names_by_colour.items():
            speeds = [ratios[name].map(lambda ratio: 1 / ratio) for name in names]
            axes.errorbar(
                [sizes.index(plans[name].max_group_size) + shift for name in names],
                values(speeds),
                yerr=error_bars(speeds),
                color=colour,
                **backend_line(results, backend, backends),
            )
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xticks(range(len(sizes)), [f"p = {size}" if size > 1 else "dense" for size in sizes])
    axes.set_ylabel("Decode speed / dense")
    axes.grid(axis="y")


def _draw_ideal_speeds(
    axes: Axes, results: Results, plans: dict[str, LayerPlan], times: Times
) -> None:
    """What the depth alone gives, as a line at each group size where it could."""
    sizes, timed = _group_sizes(plans.values()), set().union(*times.values())
    ideal_speeds = {
        (plan.max_group_size, plan.ideal_speedup)
        for name, plan in plans.items()
        if name in timed and depth_can_show(results, results.variants[name])
    }
    for size, speed in sorted(ideal_speeds):
        position = sizes.index(size)
        axes.hlines(speed, position - 0.35, position + 0.35, color=INK, alpha=0.3)


def _group_sizes(plans: Iterable[LayerPlan]) -> list[int]:
    return sorted({plan.max_group_size for plan in plans})

"""Quality against time: what a variant loses beside what a decoded token costs, both intervals.

Also speed against the size of groups. Times are relative to dense on one device.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.paths import TRANSFORMERS
from benchmarks.statistics import Estimate
from cqil.plan import LayerPlan
from reports.background import latency_machine
from reports.depth import by_family
from reports.figures import bars, by_variant, readable_log, spans
from reports.load import Results
from reports.measures import ALL, DENSE, MEAN
from reports.style import INK, Look, bypass_mode, look, path_line, path_name

EDGE = 20
"""Beyond this multiple of dense a variant is left out: nothing is left to weigh against time."""


def quality_by_latency(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame, latencies: pd.DataFrame
) -> Figure | None:
    """A column a path; above perplexity over dense's, below mean accuracy where it was measured."""
    times = _decode(results, latencies, results.workloads[0])
    loss = by_variant(perplexities[perplexities["text"] == ALL], "ratio")
    loss = {name: e for name, e in loss.items() if e.value <= EDGE}
    share = by_variant(accuracies[accuracies["task"] == MEAN], "headline")
    share = {n: Estimate(100 * e.value, 100 * e.low, 100 * e.high) for n, e in share.items()}
    rows = [
        (values, label)
        for values, label in ((loss, "Perplexity / dense (log)"), (share, "Mean accuracy, %"))
        if any(values.keys() & own.keys() for own in times.values())
    ]
    if not rows:
        return None
    figure = Figure(figsize=(2.6 * max(2, len(times)), 0.9 + 2.3 * len(rows)))
    grid = figure.subplots(len(rows), len(times), sharex=True, sharey="row", squeeze=False)
    for panels, (values, label) in zip(grid, rows, strict=True):
        for axes, own in zip(panels, times.values(), strict=True):
            _scatter(axes, results, own, values)
        panels[0].set_ylabel(label)
        if values is loss:
            readable_log(panels[0])
    for axes, path in zip(grid[0], times, strict=True):
        axes.set_title(path_name(path))
    for axes in grid[-1]:
        axes.set_xlabel("Decode time / dense, one device")
    shown = [name for own in times.values() for name in own if name in loss or name in share]
    styles = {(s := look(v)).label: s for v in by_family(results.variants[n] for n in shown)}
    handles = [Line2D([], [], label=label, **style.line()) for label, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.3)
    return figure


def _decode(
    results: Results, latencies: pd.DataFrame, workload: str
) -> dict[str, dict[str, Estimate]]:
    """Path -> variant -> time of a decoded token over dense's, of those that have one."""
    known = latencies[
        (latencies["phase"] == "decode")
        & (latencies["workload"] == workload)
        & latencies["variant"].isin(list(results.variants))
        & latencies["ratio"].map(_is_known)
    ]
    found = {p: by_variant(known[known["path"] == p], "ratio") for p in results.paths}
    return {path: own for path, own in found.items() if own and path != TRANSFORMERS}


def _is_known(estimate: Estimate) -> bool:
    return estimate.value == estimate.value


def _scatter(
    axes: Axes, results: Results, times: dict[str, Estimate], values: dict[str, Estimate]
) -> None:
    alike: dict[Look, list[str]] = {}
    for name in (name for name in times if name in values):
        alike.setdefault(look(results.variants[name]), []).append(name)
    for style, names in alike.items():
        x, y = [times[name] for name in names], [values[name] for name in names]
        ends = {"xerr": spans(x), "yerr": spans(y), "elinewidth": 0.7}
        axes.errorbar([e.value for e in x], [e.value for e in y], **ends, **style.line())
    if DENSE in values:
        axes.axhline(values[DENSE].value, color=INK, linestyle="--", linewidth=0.7)
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.7)
    axes.grid()


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
        times = _decode(results, latencies, workload)
        own = {p: {n: e for n, e in found.items() if n in plain} for p, found in times.items()}
        if any(found.keys() - {DENSE} for found in own.values()):
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
    paths = list(next(iter(drawn.values())))
    handles = [Line2D([], [], color=INK, label=path_name(p), **path_line(p, paths)) for p in paths]
    handles.append(Line2D([], [], color=INK, alpha=0.3, label="depth alone"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _sizes(
    axes: Axes,
    results: Results,
    plain: dict[str, LayerPlan],
    times: dict[str, dict[str, Estimate]],
) -> None:
    paths, sizes = list(times), sorted({plan.max_group_size for plan in plain.values()})
    for place, (path, own) in enumerate(times.items()):
        shift = 0.5 * ((place + 0.5) / len(paths) - 0.5)
        for name, estimate in own.items():
            axes.errorbar(
                sizes.index(plain[name].max_group_size) + shift,
                1 / estimate.value,
                yerr=bars(Estimate(1 / estimate.value, 1 / estimate.high, 1 / estimate.low)),
                color=look(results.variants[name]).colour,
                **path_line(path, paths),
            )
    timed = [plan for name, plan in plain.items() if any(name in own for own in times.values())]
    for size, ideal in sorted({(plan.max_group_size, plan.ideal_speedup) for plan in timed}):
        place = sizes.index(size)
        axes.hlines(ideal, place - 0.35, place + 0.35, color=INK, alpha=0.3)
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set_xticks(range(len(sizes)), [f"p = {size}" if size > 1 else "dense" for size in sizes])
    axes.set_ylabel("Decode speed / dense")
    axes.grid(axis="y")

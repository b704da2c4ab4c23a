"""Quality against time: what a variant loses beside what a decoded token costs, both intervals.

Also speed against the size of groups. Times are relative to dense on one device.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.results import Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rows import by_variant
from reports.figures.axes import error_bars, readable_log
from reports.figures.quality_by_depth import by_family
from reports.figures.style import INK, VariantStyle, variant_style

EDGE = 20
"""Beyond this multiple of dense a variant is left out: nothing is left to weigh against time."""


def quality_by_latency(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame, latencies: pd.DataFrame
) -> Figure | None:
    """A column a path; above perplexity over dense's, below mean accuracy where it was measured."""
    times = decode_ratios(results, latencies, results.workloads[0])
    loss = by_variant(perplexities[perplexities["text"] == ALL], "ratio")
    loss = {name: e for name, e in loss.items() if e.value <= EDGE}
    share = by_variant(accuracies[accuracies["task"] == MEAN], "headline")
    share = {n: e.map(lambda share: 100 * share) for n, e in share.items()}
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
    for axes, backend in zip(grid[0], times, strict=True):
        axes.set_title(results.backends[backend].label)
    for axes in grid[-1]:
        axes.set_xlabel("Decode time / dense, one device")
    shown = [name for own in times.values() for name in own if name in loss or name in share]
    styles = {
        (s := variant_style(v)).label: s for v in by_family(results.variants[n] for n in shown)
    }
    handles = [Line2D([], [], label=label, **style.line()) for label, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.3)
    return figure


def decode_ratios(
    results: Results, latencies: pd.DataFrame, workload: str
) -> dict[str, dict[str, Estimate]]:
    """Backend -> variant -> time of a decoded token over dense's, of those that have one."""
    known = latencies[
        (latencies["phase"] == "decode")
        & (latencies["workload"] == workload)
        & latencies["variant"].isin(list(results.variants))
        & latencies["ratio"].map(_is_known)
    ]
    ratios = {
        name: by_variant(known[known["backend"] == name], "ratio")
        for name, backend in results.backends.items()
        if not backend.dense_only
    }
    return {name: of_backend for name, of_backend in ratios.items() if of_backend}


def _is_known(estimate: Estimate) -> bool:
    return estimate.value == estimate.value


def _scatter(
    axes: Axes, results: Results, times: dict[str, Estimate], values: dict[str, Estimate]
) -> None:
    alike: dict[VariantStyle, list[str]] = {}
    for name in (name for name in times if name in values):
        alike.setdefault(variant_style(results.variants[name]), []).append(name)
    for style, names in alike.items():
        x, y = [times[name] for name in names], [values[name] for name in names]
        ends = {"xerr": error_bars(x), "yerr": error_bars(y), "elinewidth": 0.7}
        axes.errorbar([e.value for e in x], [e.value for e in y], **ends, **style.line())
    if REFERENCE in values:
        axes.axhline(values[REFERENCE].value, color=INK, linestyle="--", linewidth=0.7)
    axes.axvline(1, color=INK, linestyle="--", linewidth=0.7)
    axes.grid()

"""What the time of a decode step on ranks is spent on: computing, messages, waiting."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from benchmarks.results.engine_bench_record import EngineBench
from reports.estimates.engine_bench import STEP_PARTS, step_parts
from reports.figures.style import INK

SHADES = dict(zip(STEP_PARTS, ("#0072B2", "#E69F00", "#999999"), strict=True))
"""Part of a step -> its colour."""


def step_breakdown(bench: EngineBench | None) -> Figure | None:
    """A bar for each system, and a mark at computing plus all its messages one after another.

    None without a bench, and where the bench ran no system without messages.
    """
    if bench is None or (parts := step_parts(bench)).empty:
        return None
    figure = Figure(figsize=(5.2, 1.3 + 0.4 * len(parts)))
    axes = figure.subplots()
    left = np.zeros(len(parts))
    for part, colour in SHADES.items():
        axes.barh(parts["system"], parts[part], left=left, color=colour, height=0.6, label=part)
        left += parts[part].to_numpy()
    axes.plot(
        parts["expected"],
        parts["system"],
        label="computing + messages",
        color=INK,
        marker="|",
        markersize=14,
        linestyle="none",
    )
    axes.invert_yaxis()
    axes.set_xlabel("Milliseconds a decoded token")
    hardware, workload = bench.provenance.hardware, bench.workload
    title = f"{hardware.cpu}, {hardware.cores} cores; batch {workload['batch']}"
    axes.set_title(title, fontsize=7, loc="left")
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=4)
    return figure

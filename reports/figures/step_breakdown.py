"""Where a step on ranks goes: computing, messages, waiting; from the engine's bench."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.results.engine_bench_record import EngineBench
from reports.estimates.engine_bench import STEP_PARTS, step_parts
from reports.figures.style import INK

SHADES = dict(zip(STEP_PARTS, ("#0072B2", "#E69F00", "#999999"), strict=True))


def step_breakdown(bench: EngineBench | None) -> Figure | None:
    """A bar a system; the mark is computing plus what its messages cost one by one."""
    if bench is None or (parts := step_parts(bench)).empty:
        return None
    figure = Figure(figsize=(5.2, 1.3 + 0.4 * len(parts)))
    axes = figure.subplots()
    left = np.zeros(len(parts))
    for part, colour in SHADES.items():
        axes.barh(parts["system"], parts[part], left=left, color=colour, height=0.6, label=part)
        left += parts[part].to_numpy()
    mark: dict[str, Any] = {"color": INK, "marker": "|", "markersize": 14, "linestyle": "none"}
    axes.plot(parts["expected"], parts["system"], label="computing + messages", **mark)
    axes.invert_yaxis()
    axes.set_xlabel("Milliseconds a decoded token")
    hardware, workload = bench.provenance.hardware, bench.workload
    title = f"{hardware.cpu}, {hardware.cores} cores; batch {workload['batch']}"
    axes.set_title(title, fontsize=7, loc="left")
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=4)
    return figure

"""Where a step on ranks goes: computing, messages, waiting; from the engine's bench.

An arm's silent twin runs the same step without messages: its time is computing alone. What an arm
takes longer is messages, as many as it sends at what one costs under load, and waiting.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.record import Bench
from reports.bench import round_medians
from reports.style import INK

SHADES = {"computing": "#0072B2", "messages": "#E69F00", "waiting": "#999999"}
SILENT = "-silent"


def step_parts(bench: Bench) -> pd.DataFrame:
    """One row an arm that has a silent twin; milliseconds of a decoded token.

    `expected` is computing plus messages as they were measured; above `measured`, messages overlap.
    """
    arms = {arm.name: arm for arm in bench.arms}
    rows = []
    for name, arm in arms.items():
        if name + SILENT not in arms or name not in bench.message_seconds:
            continue
        measured = 1e3 * float(np.median(round_medians(arm)))
        computing = min(measured, 1e3 * float(np.median(round_medians(arms[name + SILENT]))))
        sent = sum(count for *_, count in arm.ranks[0].decode_messages)
        cost = 1e3 * sent * float(np.median(bench.message_seconds[name]))
        messages = min(cost, measured - computing)
        rows.append(
            {
                "arm": name,
                "measured": measured,
                "computing": computing,
                "messages": messages,
                "waiting": measured - computing - messages,
                "expected": computing + cost,
            }
        )
    columns = ["arm", "measured", *SHADES, "expected"]
    return pd.DataFrame(rows, columns=columns)


def step_breakdown(bench: Bench | None) -> Figure | None:
    """A bar an arm; the mark is computing plus what its messages cost one by one."""
    if bench is None or (parts := step_parts(bench)).empty:
        return None
    figure = Figure(figsize=(5.2, 1.3 + 0.4 * len(parts)))
    axes = figure.subplots()
    left = np.zeros(len(parts))
    for part, colour in SHADES.items():
        axes.barh(parts["arm"], parts[part], left=left, color=colour, height=0.6, label=part)
        left += parts[part].to_numpy()
    marks = {"color": INK, "marker": "|", "markersize": 14, "linestyle": "none"}
    axes.plot(parts["expected"], parts["arm"], label="computing + messages", **marks)
    axes.invert_yaxis()
    axes.set_xlabel("Milliseconds a decoded token")
    hardware, work = bench.provenance.hardware, bench.workload
    title = f"{hardware.cpu}, {hardware.cores} cores; batch {work['batch']}"
    axes.set_title(title, fontsize=7, loc="left")
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=4)
    return figure

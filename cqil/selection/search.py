"""Where a run of groups starts: a small grid of starts, scored by calibration perplexity.

The grid is scored without bypass, so that variants which differ in the bypass alone share their
groups and can be compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cqil.plan import LayerPlan, uniform_plan
from cqil.selection.uniform import grouped_span


def candidate_starts(num_layers: int, span: int, grid: int) -> list[int]:
    """At most `grid` evenly spaced starts; the first and last layer stay alone where they can."""
    room = num_layers - span
    low, high = (1, room - 1) if room >= 2 else (0, room)
    count = min(grid, high - low + 1)
    if count == 1:
        return [(low + high) // 2]
    return sorted({round(low + i * (high - low) / (count - 1)) for i in range(count)})


def search_start(
    num_layers: int, group_size: int, depth: int, grid: int, score: Callable[[LayerPlan], float]
) -> dict[str, Any]:
    """Scores every candidate (mean negative log-likelihood, nats per token; lower is better).

    Returns group_size, depth, the grid with its scores, and the chosen start.
    """
    span = grouped_span(num_layers, depth, group_size)
    rows = []
    for start in candidate_starts(num_layers, span, grid):
        plan = uniform_plan(num_layers, start, start + span, group_size)
        rows.append({"start": start, "end": start + span, "nll": score(plan)})
    best = min(rows, key=lambda row: row["nll"])
    return {"group_size": group_size, "depth": depth, "grid": rows, "start": best["start"]}

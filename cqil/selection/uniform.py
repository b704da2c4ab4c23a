"""CQIL's own rule: one run of middle layers in consecutive groups of equal size.

S, E, p and d of arXiv 2404.06709. The paper leaves S and E to the user; here they may be left out,
and a small grid of starts is scored by calibration perplexity. The grid is scored without bypass,
so that variants which differ in the bypass alone share their groups and can be compared in pairs.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan, uniform_plan
from cqil.selection.grouping import Grouping, check_reachable


class Uniform(Grouping, Method):
    family: ClassVar[str] = "cqil"
    instead_of_depth: ClassVar[tuple[str, ...]] = ("start",)
    method: Literal["uniform"] = "uniform"
    group_size: int = Field(ge=2, description="p, layers that share one input")
    start: int | None = Field(
        default=None, ge=0, description="S, first grouped layer, 0-based; searched for without"
    )
    end: int | None = Field(default=None, ge=1, description="E, exclusive")

    @model_validator(mode="after")
    def _both_ends(self) -> "Uniform":
        if (self.start is None) != (self.end is None):
            raise ValueError("start, end: give both or neither")
        return self

    @property
    def search_key(self) -> str | None:
        return None if self.start is not None else f"uniform-P{self.group_size}-{self.target_key}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        depth = self.target_depth(evaluator.num_layers)
        return search_start(evaluator, self.group_size, depth)

    def plan(self, evidence: Evidence) -> LayerPlan:
        start, end = self._ends(evidence)
        return uniform_plan(
            evidence.num_layers, start, end, self.group_size, self.bypass, self.bypass_target
        )

    def _ends(self, evidence: Evidence) -> tuple[int, int]:
        if self.start is not None and self.end is not None:
            return self.start, self.end
        depth = self.target_depth(evidence.num_layers)
        span = grouped_span(evidence.num_layers, depth, self.group_size)
        start = evidence.required_search_result["start"]
        return start, start + span


def grouped_span(num_layers: int, depth: int, group_size: int) -> int:
    """How many layers must be grouped to reach `depth`; the last group may be smaller.

    Raises ValueError where groups of this size cannot reach it.
    """
    check_reachable(depth, num_layers, group_size)
    saved = num_layers - depth
    return saved + -(-saved // (group_size - 1))


def candidate_starts(num_layers: int, span: int, grid: int) -> list[int]:
    """At most `grid` evenly spaced starts; the first and last layer stay alone where they can."""
    room = num_layers - span
    low, high = (1, room - 1) if room >= 2 else (0, room)
    count = min(grid, high - low + 1)
    if count == 1:
        return [(low + high) // 2]
    return sorted({round(low + i * (high - low) / (count - 1)) for i in range(count)})


def search_start(evaluator: PlanEvaluator, group_size: int, depth: int) -> dict[str, Any]:
    """Scores every candidate; returns group_size, depth, the grid with its scores and the start."""
    layers = evaluator.num_layers
    span = grouped_span(layers, depth, group_size)
    starts = candidate_starts(layers, span, evaluator.grid)
    evaluator.set_total(len(starts))
    rows = []
    for start in starts:
        plan = uniform_plan(layers, start, start + span, group_size)
        rows.append({"start": start, "end": start + span, "nll": evaluator.loss(plan)})
    best = min(rows, key=lambda row: row["nll"])
    return {"group_size": group_size, "depth": depth, "grid": rows, "start": best["start"]}

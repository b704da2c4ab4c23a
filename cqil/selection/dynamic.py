"""Costs of single changes, measured once against dense, and the cheapest plan that adds them up.

A change groups a run of layers or leaves one layer out. What one change does to the output is
small, and the divergence of small changes that have nothing to do with each other adds up, so the
plan of least summed cost is found exactly, by dynamic programming, for every depth from the same
costs.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan, kept_layers_plan
from cqil.plan.stages import dense_stages, layer_of
from cqil.selection.grouping import Grouping, Runs, merged


class Dynamic(Grouping, Method):
    family: ClassVar[str] = "cqil"
    method: Literal["dynamic"] = "dynamic"
    drop: bool = Field(default=True, description="Layers may be left out too, at no stage")

    @property
    def search_key(self) -> str:
        return f"dynamic-P{self.group_size}-{self.bypass_key}" + ("-drop" if self.drop else "")

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        """What `cheapest` reads: divergence by size and first layer, and by layer left out."""
        num_layers = evaluator.num_layers
        single = dense_stages(num_layers)
        sizes = range(2, min(self.group_size, num_layers) + 1)
        dropped = single if self.drop and num_layers > 1 else ()
        evaluator.set_total(sum(num_layers - size + 1 for size in sizes) + len(dropped))
        return {
            "grouped": [
                [
                    evaluator.divergence(self.grouped(num_layers, merged(single, first, size)))
                    for first in range(num_layers - size + 1)
                ]
                for size in sizes
            ],
            "dropped": [
                evaluator.divergence(
                    kept_layers_plan(num_layers, sorted({*range(num_layers)} - {layer}))
                )
                for (layer,) in dropped
            ],
        }

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        # Dropped layers cost no stage, so that with them any depth is in reach.
        depth = self.target_depth(num_layers, num_layers if self.drop else None)
        _, stages = cheapest(evidence.required_search_result, num_layers, depth)
        return self.grouped(num_layers, stages)


def cheapest(costs: dict[str, Any], num_layers: int, depth: int) -> tuple[float, Runs]:
    """Least summed cost of exactly `depth` stages, and the stages.

    `costs`: `grouped[size - 2][first]` of the run of `size` layers from `first` on, and
    `dropped[layer]`, empty where no layer may be left out. A layer on its own costs nothing.
    """
    best: dict[tuple[int, int], tuple[float, Runs]] = {(0, 0): (0.0, ())}
    for end in range(1, num_layers + 1):
        changes = _changes(costs, end)
        for used in range(depth + 1):
            reached = [
                (before[0] + cost, before[1] + stages)
                for size, cost, stages in changes
                if (before := best.get((end - size, used - len(stages))))
            ]
            if reached:
                best[end, used] = min(reached, key=lambda option: option[0])
    return best[num_layers, depth]


def summed(costs: dict[str, Any], plan: LayerPlan) -> float | None:
    """What `cheapest` would sum for a plan; None where a change was not measured on its own."""
    total, left_out = 0.0, set(range(plan.num_layers))
    for stage in plan.groups:
        size, first = len(stage), layer_of(stage[0])
        if stage != tuple(range(first, first + size)) or size - 2 >= len(costs["grouped"]):
            return None
        total += costs["grouped"][size - 2][first] if size > 1 else 0.0
        left_out -= set(stage)
    if left_out and not costs["dropped"]:
        return None
    return total + sum(costs["dropped"][layer] for layer in left_out)


def _changes(costs: dict[str, Any], end: int) -> list[tuple[int, float, Runs]]:
    """Ways to treat the layers before `end`: how many of them, at what cost, in which stages."""
    options: list[tuple[int, float, Runs]] = [(1, 0.0, ((end - 1,),))]
    for size, by_first in enumerate(costs["grouped"], start=2):
        if end >= size:
            options.append((size, by_first[end - size], (tuple(range(end - size, end)),)))
    if costs["dropped"]:
        options.append((1, costs["dropped"][end - 1], ()))
    return options

"""FFN Fusion's choice for whole blocks (arXiv 2503.18908): layers that depend least on each other.

Entry (i, j) of the dependency is the cosine distance of what layer j adds with and without layer i.
A window slides over the layers; of the free places the one whose largest entry is least becomes a
group, again and again. The paper takes windows of 4 and stops at a number of groups; here a window
shrinks where the depth, or the room left between groups, asks for less.
"""

from itertools import groupby
from typing import Any, ClassVar, Literal

import numpy as np

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.plan.stages import dense_stages
from cqil.selection.grouping import Grouping, Runs, merged


class Dependency(Grouping, Method):
    family: ClassVar[str] = "cqil"
    method: Literal["dependency"] = "dependency"

    @property
    def search_key(self) -> str:
        return "dependency"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        evaluator.set_total(1)
        return {"dependency": evaluator.dependency().tolist()}

    def plan(self, evidence: Evidence) -> LayerPlan:
        depth = self.target_depth(evidence.num_layers)
        dependency = np.array(evidence.required_search_result["dependency"])
        groups = least_dependent(dependency, depth, self.group_size)
        return self.grouped(evidence.num_layers, groups)


def least_dependent(dependency: np.ndarray, depth: int, group_size: int) -> Runs:
    """`dependency` [L, L], read above the diagonal. Ties go to the lesser sum, then to the lower.

    A window has `group_size` layers, or fewer where fewer have still to join. Places that would put
    `depth` out of reach are passed over; where no place is left, the window shrinks by one.
    """
    stages = dense_stages(len(dependency))
    while len(stages) > depth:
        largest = min(group_size, len(stages) - depth + 1)
        choices = (_windows(dependency, stages, size) for size in range(largest, 1, -1))
        allowed = (
            [
                w
                for w in windows
                if _fewest_of_single_layers(merged(stages, *w[-2:]), group_size) <= depth
            ]
            for windows in choices
        )
        *_, k, size = min(next(filter(None, allowed)))
        stages = merged(stages, k, size)
    return stages


def _windows(
    dependency: np.ndarray, stages: Runs, size: int
) -> list[tuple[float, float, int, int]]:
    """Largest entry, sum, place and size of each run of `size` single layers."""
    windows = []
    upper = np.triu_indices(size, 1)
    for k in range(len(stages) - size + 1):
        if all(len(stage) == 1 for stage in stages[k : k + size]):
            layers = [stage[0] for stage in stages[k : k + size]]
            pairs = dependency[np.ix_(layers, layers)][upper]
            windows.append((float(pairs.max()), float(pairs.sum()), k, size))
    return windows


def _fewest_of_single_layers(stages: Runs, group_size: int) -> int:
    """The fewest stages that can be left where only single layers may still merge."""
    runs = [(single, len(list(run))) for single, run in groupby(stages, lambda s: len(s) == 1)]
    return sum(-(-count // group_size) if single else count for single, count in runs)

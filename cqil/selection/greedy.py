"""Merges the two neighbouring stages whose merge harms least, measured, until the depth is reached.

Every merge is judged on the plan with all earlier merges in it, by the divergence from the dense
model under the options' own bypass.
"""

from typing import Any, ClassVar, Literal

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.plan.stages import dense_stages
from cqil.selection.grouping import Grouping, mergeable, merged


class Greedy(Grouping, Method):
    family: ClassVar[str] = "cqil"
    method: Literal["greedy"] = "greedy"

    @property
    def search_key(self) -> str:
        return f"greedy-P{self.group_size}-{self.target_key}-{self.bypass_key}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        """The merges in order, each with its layers and divergence, and the groups at the end."""
        layers = evaluator.num_layers
        depth = self.target_depth(layers)
        evaluator.set_total(sum(range(depth, layers)))
        stages, path = dense_stages(layers), []
        while len(stages) > depth:
            scored = [
                (evaluator.divergence(self.grouped(layers, merged(stages, k))), k)
                for k in mergeable(stages, self.group_size, depth)
            ]
            divergence, k = min(scored)
            stages = merged(stages, k)
            path.append({"merged": list(stages[k]), "divergence": divergence})
        return {"path": path, "groups": [list(stage) for stage in stages]}

    def plan(self, evidence: Evidence) -> LayerPlan:
        self.target_depth(evidence.num_layers)
        return self.grouped(evidence.num_layers, evidence.required_search_result["groups"])

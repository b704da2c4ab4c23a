"""SLEB (arXiv 2402.09025): delete the layer whose loss is least missed, then look again.

Each layer is judged in the model that is left, not in the whole one. The first and last layer stay.
A search at a smaller depth goes on where one at a larger depth ended.

Which tokens the loss is of, `search.score` says: by default the second half of each window. The
paper's are `all` but the first.
"""

from typing import Any, ClassVar, Literal

from baselines.removal.greedy_search import drop_greedily, plan_without
from baselines.removal.score_ranking import check_reach
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan


class SLEB(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("SLEB removal", "P")
    method: Literal["sleb"] = "sleb"
    depth: Depth

    @property
    def search_key(self) -> str:
        return f"sleb-G{self.depth}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        layers = range(evaluator.num_layers)
        check_reach(self.depth, len(layers), protected=2)
        ends = {layers[0], layers[-1]}
        rows = drop_greedily(evaluator, layers, ends, len(layers) - self.depth)
        return {"depth": self.depth, "drops": rows}

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_reach(self.depth, evidence.num_layers, protected=2)
        dropped = {row["dropped"] for row in evidence.required_search_result["drops"]}
        return plan_without(evidence.num_layers, range(evidence.num_layers), dropped)

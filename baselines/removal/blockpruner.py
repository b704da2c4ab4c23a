"""BlockPruner (arXiv 2406.10594): delete attentions and MLPs one by one, each as least missed.

`depth` counts layers' worth: of the 2L halves exactly 2 (L - depth) go. Halves that are left run
one after the other and each counts half a layer, so the plan's depth is the one asked for, though
more layers than that may keep a half. At least one attention stays, which the released code does
not ask for.

Which tokens the loss is of, `search.score` says: by default the second half of each window. The
paper's are `all` but the first.
"""

from typing import Any, ClassVar, Literal

from baselines.removal.greedy_search import drop_greedily, plan_without
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan


class BlockPruner(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("BlockPruner removal", "P", "left")
    method: Literal["blockpruner"] = "blockpruner"
    depth: Depth

    @property
    def search_key(self) -> str:
        return f"blockpruner-G{self.depth}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        num_layers = evaluator.num_layers
        check_depth(self.depth, num_layers)
        count = 2 * (num_layers - self.depth)
        rows = drop_greedily(evaluator, halves_of(num_layers), (), count)
        return {"depth": self.depth, "drops": rows}

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_depth(self.depth, evidence.num_layers)
        dropped = {row["dropped"] for row in evidence.required_search_result["drops"]}
        return plan_without(evidence.num_layers, halves_of(evidence.num_layers), dropped)


def halves_of(num_layers: int) -> list[str]:
    """Attention and MLP of every layer, in order."""
    return [f"{layer}.{half}" for layer in range(num_layers) for half in ("attn", "mlp")]

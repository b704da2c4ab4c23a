"""Shortened LLaMA (arXiv 2402.02834): delete, at once, the layers that matter least one by one.

`ppl` scores a layer by the loss of the model without it; `taylor` by the sum over its weights of
|sum over samples of weight x gradient|. As in the released code both protect the first four layers
and the last two (the paper's Taylor+). One search serves every depth and every protection.

Which tokens the loss of `ppl` is of, `search.score` says: by default the second half of each
window. The paper's are `all` but the first, and `taylor` takes these always.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from baselines.removal.score_ranking import ProtectedEnds, remove_least
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan, kept_layers_plan


class Shortened(ProtectedEnds, Method):
    family: ClassVar[str] = "removal"
    method: Literal["shortened"] = "shortened"
    criterion: Literal["ppl", "taylor"] = Field(description="How a layer is scored")
    depth: Depth

    @property
    def search_key(self) -> str:
        return f"shortened-{self.criterion}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        if self.criterion == "taylor":
            evaluator.set_total(1)
            scores = evaluator.salience("taylor").tolist()
        else:
            evaluator.set_total(evaluator.num_layers)
            scores = losses_without_each(evaluator)
        return {"criterion": self.criterion, "scores": scores}

    @property
    def look(self) -> Look:
        if self.criterion == "ppl":
            return Look("Shortened LLaMA, perplexity", "X")
        return Look("Shortened LLaMA, Taylor", "X", "left")

    def plan(self, evidence: Evidence) -> LayerPlan:
        scores_L = np.array(evidence.required_search_result["scores"])
        return remove_least(scores_L, self.depth, self.protect_first, self.protect_last)


def losses_without_each(evaluator: PlanEvaluator) -> list[float]:
    """Loss of the model without layer l, for every l."""
    layers = range(evaluator.num_layers)
    kept = ([k for k in layers if k != dropped] for dropped in layers)
    return [evaluator.loss(kept_layers_plan(len(layers), k)) for k in kept]

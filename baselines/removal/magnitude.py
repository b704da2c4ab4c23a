"""Magnitude: delete the layers whose absolute weights sum to least."""

from typing import Any, ClassVar, Literal

import numpy as np

from baselines.removal.score_ranking import remove_least
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan


class Magnitude(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("Magnitude removal", "s", "top")
    method: Literal["magnitude"] = "magnitude"
    depth: Depth

    @property
    def search_key(self) -> str:
        return "magnitude"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        evaluator.set_total(1)
        return {"salience": evaluator.salience("magnitude").tolist()}

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_least(np.array(evidence.required_search_result["salience"]), self.depth)

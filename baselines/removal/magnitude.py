"""Magnitude: delete the layers whose absolute weights sum to least.

The ends of the stack are protected as in the released code of Shortened LLaMA (arXiv 2402.02834).
"""

from typing import Any, ClassVar, Literal

import numpy as np

from baselines.removal.score_ranking import ProtectedEnds, remove_least
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan


class Magnitude(ProtectedEnds, Method):
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
        salience_L = np.array(evidence.required_search_result["salience"])
        return remove_least(salience_L, self.depth, self.protect_first, self.protect_last)

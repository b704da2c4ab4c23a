"""Relative magnitude: delete the layers whose increments are least beside their outputs.

|what a layer adds| / |its output|, the mean over tokens; a rival in BlockPruner's tables
(arXiv 2406.10594).
"""

from typing import Any, ClassVar, Literal

import numpy as np

from baselines.removal.score_ranking import remove_least
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan


class RelativeMagnitude(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("Relative-magnitude removal", "s", "bottom")
    method: Literal["relative-magnitude"] = "relative-magnitude"
    depth: Depth

    @property
    def search_key(self) -> str:
        return "relative-magnitude"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        evaluator.set_total(1)
        return {"salience": evaluator.salience("relative").tolist()}

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_least(np.array(evidence.required_search_result["salience"]), self.depth)

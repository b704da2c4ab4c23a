"""Magnitude: delete the layers whose absolute weights sum to least."""

from typing import Any, ClassVar, Literal

import numpy as np

from baselines.removal.ranking import remove_least
from cqil.method import Depth, Evidence, Method, Workbench
from cqil.plan import LayerPlan


class Magnitude(Method):
    family: ClassVar[str] = "removal"
    method: Literal["magnitude"] = "magnitude"
    depth: Depth

    @property
    def search_key(self) -> str:
        return "magnitude"

    def search(self, workbench: Workbench) -> dict[str, Any]:
        workbench.expect(1)
        return {"salience": workbench.salience("magnitude").tolist()}

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_least(np.array(evidence.outcome["salience"]), self.depth)

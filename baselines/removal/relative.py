"""Relative magnitude: delete the layers whose increments are least beside their outputs.

|what a layer adds| / |its output|, the mean over tokens; a rival in BlockPruner's tables
(arXiv 2406.10594).
"""

from typing import Any, ClassVar, Literal

import numpy as np

from baselines.removal.ranking import remove_least
from cqil.method import Depth, Evidence, Method, Workbench
from cqil.plan import LayerPlan


class RelativeMagnitude(Method):
    family: ClassVar[str] = "removal"
    method: Literal["relative-magnitude"] = "relative-magnitude"
    depth: Depth

    @property
    def search_key(self) -> str:
        return "relative-magnitude"

    def search(self, workbench: Workbench) -> dict[str, Any]:
        workbench.expect(1)
        return {"salience": workbench.salience("relative").tolist()}

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_least(np.array(evidence.outcome["salience"]), self.depth)

"""The unchanged checkpoint, which every other variant is compared with."""

from typing import ClassVar, Literal

from cqil.method import Evidence, Method
from cqil.plan import LayerPlan, dense_plan


class Dense(Method):
    family: ClassVar[str] = "dense"
    method: Literal["dense"] = "dense"

    def plan(self, evidence: Evidence) -> LayerPlan:
        return dense_plan(evidence.num_layers)

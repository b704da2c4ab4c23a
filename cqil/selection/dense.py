"""The unchanged checkpoint, which every other variant is compared with."""

from typing import ClassVar, Literal

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.plan import LayerPlan, dense_plan


class Dense(Method):
    family: ClassVar[str] = "dense"
    default_look: ClassVar[Look] = Look("Dense", "*")
    method: Literal["dense"] = "dense"

    def plan(self, evidence: Evidence) -> LayerPlan:
        return dense_plan(evidence.num_layers)

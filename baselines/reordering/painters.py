"""Layers as painters (arXiv 2407.09298): the middle layers see one input, and are averaged."""

from typing import ClassVar, Literal

from pydantic import Field

from baselines.reordering.layer_range import check_layer_range
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.plan import LayerPlan, uniform_plan


class Painters(Method):
    family: ClassVar[str] = "reordering"
    default_look: ClassVar[Look] = Look("Painters", "d", "top")
    method: Literal["painters"] = "painters"
    start: int = Field(ge=0, description="First layer of the one stage, 0-based")
    end: int = Field(ge=2, description="Exclusive")

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_layer_range(self.start, self.end, evidence.num_layers, least=2)
        size = self.end - self.start
        return uniform_plan(evidence.num_layers, self.start, self.end, size, target="mean")

"""Layers as painters (arXiv 2407.09298): the middle layers see one input, and are averaged."""

from typing import ClassVar, Literal

from pydantic import Field

from baselines.orders.run import check_run
from cqil.method import Evidence, Method
from cqil.plan import LayerPlan, uniform_plan


class Painters(Method):
    family: ClassVar[str] = "order"
    method: Literal["painters"] = "painters"
    start: int = Field(ge=0, description="First layer of the one stage, 0-based")
    end: int = Field(ge=2, description="Exclusive")

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_run(self.start, self.end, evidence.num_layers, least=2)
        size = self.end - self.start
        return uniform_plan(evidence.num_layers, self.start, self.end, size, target="mean")

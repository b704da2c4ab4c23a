"""Ladder-Residual (arXiv 2501.06589): sums over ranks travel while the next half layer computes.

Each half of a layer reads the stream without the half before it. No layer is saved and no message:
tensor parallelism alone gains, by what it no longer waits for. The paper trains models so, or
retrains the upper half of one; here the weights stay as they are.
"""

from typing import ClassVar, Literal

from pydantic import Field

from baselines.reordering.layer_range import check_layer_range
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method, Parallelism
from cqil.plan import LayerPlan
from cqil.plan.stages import dense_stages


class LadderResidualMethod(Method):
    family: ClassVar[str] = "reordering"
    parallelism: ClassVar[Parallelism] = "tensor"
    default_look: ClassVar[Look] = Look("Ladder-Residual", "d", "right")
    method: Literal["ladder"] = "ladder"
    start: int = Field(ge=0, description="First layer of the ladder, 0-based")
    end: int = Field(ge=1, description="Exclusive")

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_layer_range(self.start, self.end, evidence.num_layers)
        groups = dense_stages(evidence.num_layers)
        return LayerPlan(
            num_layers=evidence.num_layers, groups=groups, ladder=(self.start, self.end)
        )

"""The deepest layers go (the simple variant of Gromov et al., arXiv 2403.17887).

Their rule keeps the final layer, which prepares the state for the output head.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth
from cqil.plan import LayerPlan, kept_layers_plan


class LastN(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("Last-layers removal", "s", "right")
    method: Literal["last-n"] = "last-n"
    depth: Depth
    keep_final: bool = Field(default=True, description="Whether the final layer stays")

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        check_depth(self.depth, num_layers)
        if not self.keep_final:
            return kept_layers_plan(num_layers, list(range(self.depth)))
        return kept_layers_plan(num_layers, [*range(self.depth - 1), num_layers - 1])

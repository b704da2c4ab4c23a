"""Random removal: the floor that every removal rule has to beat. The ends of the stack stay."""

import random
from typing import ClassVar, Literal

from pydantic import Field

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth
from cqil.plan import LayerPlan, kept_layers_plan


class RandomRemoval(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("Random removal", "s", "left")
    method: Literal["random"] = "random"
    depth: Depth
    seed: int = Field(ge=0, description="Seed of the draw")

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        check_depth(self.depth, num_layers)
        ends = [0, num_layers - 1][: self.depth]
        middle = [layer for layer in range(num_layers) if layer not in ends]
        drawn = random.Random(self.seed).sample(middle, self.depth - len(ends))
        return kept_layers_plan(num_layers, ends + drawn)

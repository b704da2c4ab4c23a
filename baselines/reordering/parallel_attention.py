"""Attention beside the MLP of the same layer, as PaLM and GPT-J are trained (arXiv 2204.02311).

Both read the layer's input, so that a layer takes half the depth. LLaMA was not trained so: the
MLP keeps its own norm and misses its layer's attention.
"""

from typing import ClassVar, Literal

from pydantic import Field

from baselines.reordering.layer_range import check_layer_range
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method, Parallelism
from cqil.plan import LayerPlan
from cqil.plan.stages import Stages, dense_stages


class ParallelAttention(Method):
    family: ClassVar[str] = "reordering"
    parallelism: ClassVar[Parallelism] = "tensor"
    default_look: ClassVar[Look] = Look("Parallel attention and MLP", "d", "left")
    method: Literal["parallel-attention"] = "parallel-attention"
    start: int = Field(ge=0, description="First layer whose halves run side by side, 0-based")
    end: int = Field(ge=1, description="Exclusive")

    def plan(self, evidence: Evidence) -> LayerPlan:
        check_layer_range(self.start, self.end, evidence.num_layers)
        return parallel_attention_plan(evidence.num_layers, self.start, self.end)


def parallel_attention_plan(num_layers: int, start: int, end: int) -> LayerPlan:
    """Attention beside the MLP in each of the layers [start, end)."""
    singles = dense_stages(num_layers)
    halves = tuple((f"{n}.attn", f"{n}.mlp") for n in range(start, end))
    groups: Stages = (*singles[:start], *halves, *singles[end:])
    return LayerPlan(num_layers=num_layers, groups=groups)

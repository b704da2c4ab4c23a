"""Unified Layer Skipping (arXiv 2404.06954): one spread subset of layers for generated tokens.

The prompt runs at full depth. `code` is the rule of the released training script; `even` spaces the
kept layers as evenly as whole numbers allow, and so reaches any depth.
"""

import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from cqil.method import Depth, Evidence, Method, check_depth_option
from cqil.plan import LayerPlan, kept_layers_plan


class UnifiedSkipping(Method):
    family: ClassVar[str] = "skipping"
    method: Literal["unified"] = "unified"
    rule: Literal["code", "even"] = Field(description="How the kept layers are spaced")
    speedup: float | None = Field(default=None, gt=1, description="Target ratio; for rule code")
    depth: Depth | None = Field(default=None, description="Layers kept; for rule even")

    @model_validator(mode="after")
    def _one_target(self) -> "UnifiedSkipping":
        wanted, other = ("speedup", "depth") if self.rule == "code" else ("depth", "speedup")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"{wanted}: rule {self.rule} takes {wanted} and not {other}")
        return self

    def plan(self, evidence: Evidence) -> LayerPlan:
        if self.rule == "code":
            assert self.speedup is not None
            kept = code_rule(evidence.num_layers, self.speedup)
        else:
            assert self.depth is not None
            kept = even_rule(evidence.num_layers, self.depth)
        return kept_layers_plan(evidence.num_layers, kept, prompt_dense=True)


def code_rule(num_layers: int, speedup: float) -> list[int]:
    """M = floor(L / speedup) layers: both ends, and multiples of floor(L / (M - 1)) from below."""
    keep = math.floor(num_layers / speedup)
    if keep < 2:
        raise ValueError(
            f"speedup: {speedup} leaves {keep} of {num_layers} layers; the rule keeps both ends, "
            f"so choose at most {num_layers / 2:g}"
        )
    step = num_layers // (keep - 1)
    middle = [layer for layer in range(1, num_layers - 1) if layer % step == 0]
    return [0, *middle[: keep - 2], num_layers - 1]


def even_rule(num_layers: int, depth: int) -> list[int]:
    """`depth` layers from the first to the last, as evenly spaced as whole numbers allow."""
    check_depth_option(depth, num_layers)
    if depth == 1:
        return [0]
    return [round(i * (num_layers - 1) / (depth - 1)) for i in range(depth)]

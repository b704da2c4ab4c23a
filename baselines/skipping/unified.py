"""Unified Layer Skipping (arXiv 2404.06954): one spread subset of layers for generated tokens.

The prompt runs at full depth. `code` is the rule of the released training script, `paper` that of
the paper; they keep as many layers, and often others. `even` spaces the kept layers as evenly as
whole numbers allow, and so reaches any depth. The sources know whole ratios only; here fractions
are legal.
"""

import logging
import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth, exact_ratio
from cqil.plan import LayerPlan, kept_layers_plan

_LOG = logging.getLogger(__name__)


class UnifiedSkipping(Method):
    family: ClassVar[str] = "skipping"
    method: Literal["unified"] = "unified"
    rule: Literal["code", "paper", "even"] = Field(description="How the kept layers are spaced")
    speedup: float | None = Field(
        default=None,
        gt=1,
        allow_inf_nan=False,
        description="Target ratio; for rules code and paper",
    )
    depth: Depth | None = Field(default=None, description="Layers kept; for rule even")

    @property
    def look(self) -> Look:
        fills: dict[str, Literal["full", "bottom", "left"]]
        fills = {"code": "full", "even": "bottom", "paper": "left"}
        return Look(f"Skipping, {self.rule} rule", "v", fills[self.rule])

    @model_validator(mode="after")
    def _one_target(self) -> "UnifiedSkipping":
        wanted, other = ("depth", "speedup") if self.rule == "even" else ("speedup", "depth")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"{wanted}: rule {self.rule} takes {wanted} and not {other}")
        return self

    def plan(self, evidence: Evidence) -> LayerPlan:
        if self.rule != "even":
            assert self.speedup is not None
            spaced = code_rule if self.rule == "code" else paper_rule
            kept = spaced(evidence.num_layers, self.speedup)
        else:
            assert self.depth is not None
            kept = even_rule(evidence.num_layers, self.depth)
        return kept_layers_plan(evidence.num_layers, kept, prompt_dense=True)


def code_rule(num_layers: int, speedup: float) -> list[int]:
    """M = floor(L / speedup) layers: both ends, and multiples of floor(L / (M - 1)) from below.

    Below a ratio of 2 that step can be 1, and what is kept is a block; the log then says so.
    """
    keep = layers_kept(num_layers, speedup)
    step = num_layers // (keep - 1)
    if step == 1:
        _LOG.warning(
            "unified: rule code at speedup %g keeps one block, layers 0 to %d, and the last; "
            "rules paper and even spread them",
            speedup,
            keep - 2,
        )
    middle = [layer for layer in range(1, num_layers - 1) if layer % step == 0]
    return [0, *middle[: keep - 2], num_layers - 1]


def paper_rule(num_layers: int, speedup: float) -> list[int]:
    """As many as `code_rule`: both ends, and multiples of the ratio from below, rounded down."""
    keep = layers_kept(num_layers, speedup)
    return [*(math.floor(i * exact_ratio(speedup)) for i in range(keep - 1)), num_layers - 1]


def layers_kept(num_layers: int, speedup: float) -> int:
    """floor(L / speedup); ValueError where that is less than both ends."""
    keep = math.floor(num_layers / exact_ratio(speedup))
    if keep < 2:
        raise ValueError(
            f"speedup: {speedup} leaves {keep} of {num_layers} layers; the rule keeps both ends, "
            f"so choose at most {num_layers / 2:g}"
        )
    return keep


def even_rule(num_layers: int, depth: int) -> list[int]:
    """`depth` layers from the first to the last, as evenly spaced as whole numbers allow."""
    check_depth(depth, num_layers)
    if depth == 1:
        return [0]
    return [round(i * (num_layers - 1) / (depth - 1)) for i in range(depth)]

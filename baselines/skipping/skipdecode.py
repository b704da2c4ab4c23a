"""SkipDecode (arXiv 2307.02628): the further a token from the prompt, the fewer layers it gets.

Tokens of one position share one depth. It falls evenly from `max_depth` to `min_depth` over the
first `tokens` decoded positions, and then stays. The bottom `warmup` layers and the top ones run;
of those between, more and more are skipped, and none comes back. The prompt runs in full.

Times, texts and scores follow the `schedule`: the n-th scored token is the n-th decoded one. The
plan of a variant is the last of the schedule.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.plan import LayerPlan, kept_layers_plan
from cqil.plan.schedule import Schedule


class SkipDecode(Method):
    family: ClassVar[str] = "skipping"
    default_look: ClassVar[Look] = Look("SkipDecode", "v", "right")
    method: Literal["skipdecode"] = "skipdecode"
    max_depth: Depth = Field(description="Layers of the first decoded token")
    min_depth: Depth = Field(description="Layers from decoded token `tokens` on")
    tokens: int = Field(ge=2, description="Decoded tokens over which the depth falls")
    warmup: int = Field(default=1, ge=0, description="Layers at the bottom that always run")

    @model_validator(mode="after")
    def _falls(self) -> "SkipDecode":
        if not self.warmup < self.min_depth < self.max_depth:
            raise ValueError(
                f"min_depth: {self.min_depth} must lie above warmup {self.warmup} and below "
                f"max_depth {self.max_depth}"
            )
        return self

    def plan(self, evidence: Evidence) -> LayerPlan:
        return self.schedule(evidence).plans[-1]

    def schedule(self, evidence: Evidence) -> Schedule:
        if self.max_depth > evidence.num_layers:
            raise ValueError(
                f"max_depth: {self.max_depth} exceeds the checkpoint's {evidence.num_layers} "
                "layers; choose at most as many"
            )
        starts: dict[int, int] = {}
        for token in range(self.tokens):
            starts.setdefault(self.depth_at(token), token)
        plans = tuple(self._plan_of(depth, evidence.num_layers) for depth in starts)
        return Schedule(plans, tuple(starts.values()))

    def depth_at(self, token: int) -> int:
        """Layers that run for a decoded token, counted from 0."""
        fallen = min(token, self.tokens - 1) * (self.max_depth - self.min_depth)
        return self.max_depth - fallen // (self.tokens - 1)

    def _plan_of(self, depth: int, num_layers: int) -> LayerPlan:
        top = range(num_layers - (depth - self.warmup), num_layers)
        return kept_layers_plan(num_layers, [*range(self.warmup), *top], prompt_dense=True)

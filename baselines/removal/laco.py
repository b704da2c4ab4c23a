"""LaCo (arXiv 2402.11187): a layer takes in those after it, where the final states bear it.

A window moves down from the top of the layers `low` to `high`. Its first layer takes in the others
if the final states stay more similar to dense than `threshold`; the window then moves down by
`interval`, else by one layer, and at least so far that it fits into the shorter stack. It counts
layers of the stack as it has become, so that a merged layer may be taken in again.

`rule: notebook` takes over the arithmetic of the released notebook alone. Its walk is this one
where `interval` is at least `window` - 1. Where it is less, the notebook does not move down to
where the window fits into the shorter stack: it merges shorter windows, and layers above `high`.

With a `depth` instead, thresholds are tried from high to low, each on the whole model, and the
first that gets there is taken; its last merge takes in only as many layers as must still go.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cqil.edits.weight_edit import LayerMerge
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth, check_one_given
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan, kept_layers_plan

THRESHOLDS = (*(percent / 100 for percent in range(95, 0, -5)), -1.0)
"""What is tried for a depth; the last one accepts every merge."""


class LaCo(Method):
    family: ClassVar[str] = "removal"
    method: Literal["laco"] = "laco"
    depth: Depth | None = Field(default=None, description="Layers left; finds the threshold")
    threshold: float | None = Field(
        default=None, gt=-1, lt=1, description="Cosine of final states that a merge must exceed"
    )
    window: int = Field(default=4, ge=2, description="Layers that become one, its first included")
    interval: int = Field(default=2, ge=1, description="Steps down after an accepted merge")
    low: int = Field(default=0, ge=0, description="First layer that may be merged, 0-based")
    high: int | None = Field(default=None, ge=2, description="Exclusive; null for all layers")
    rule: Literal["paper", "notebook"] = Field(
        default="paper", description="Sum of differences, or the last layer as the released code"
    )

    @property
    def look(self) -> Look:
        if self.rule == "paper":
            return Look("LaCo merging", "h")
        return Look("LaCo merging, notebook rule", "h", "left")

    @model_validator(mode="after")
    def _one_target(self) -> "LaCo":
        check_one_given(self, ("depth", "threshold"))
        return self

    @property
    def search_key(self) -> str:
        target = f"T{self.threshold}" if self.depth is None else f"G{self.depth}"
        high = "" if self.high is None else self.high
        return f"laco-{self.rule}-W{self.window}-I{self.interval}-L{self.low}-H{high}-{target}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        num_layers = evaluator.num_layers
        self._check(num_layers)
        thresholds = THRESHOLDS if self.threshold is None else (self.threshold,)
        evaluator.set_total(len(thresholds) * num_layers)
        for threshold in thresholds:
            merges = self._collapse(num_layers, evaluator.merged_similarity, threshold)
            if self.depth is None or _layers_left(num_layers, merges) == self.depth:
                break
        return {"threshold": threshold, "merges": [merge.to_dict() for merge in merges]}

    def plan(self, evidence: Evidence) -> LayerPlan:
        self._check(evidence.num_layers)
        removed = {layer for merge in self.merges(evidence) for layer in merge.taken}
        if not removed:
            raise ValueError(f"threshold: {self.threshold} accepts no merge; choose a lower one")
        kept = [layer for layer in range(evidence.num_layers) if layer not in removed]
        return kept_layers_plan(evidence.num_layers, kept)

    def merges(self, evidence: Evidence) -> tuple[LayerMerge, ...]:
        return tuple(map(LayerMerge.from_dict, evidence.required_search_result["merges"]))

    def _collapse(
        self, num_layers: int, similarity: Callable[[list[LayerMerge]], float], threshold: float
    ) -> list[LayerMerge]:
        """Merges in the order in which they are accepted, down to the depth if there is one."""
        stack = list(range(self.low, self._end(num_layers)))
        to_remove = num_layers if self.depth is None else num_layers - self.depth
        merges: list[LayerMerge] = []
        first = len(stack) - self.window
        while first >= 0 and to_remove > 0:
            after = first + 1 + min(self.window - 1, to_remove)
            merge = LayerMerge(stack[first], tuple(stack[first + 1 : after]), self.rule)
            if similarity([*merges, merge]) > threshold:
                merges.append(merge)
                del stack[first + 1 : after]
                to_remove -= len(merge.taken)
                first = min(first - self.interval, len(stack) - self.window)
            else:
                first -= 1
        return merges

    def _end(self, num_layers: int) -> int:
        return num_layers if self.high is None else self.high

    def _check(self, num_layers: int) -> None:
        """Raises ValueError where no window fits, or no threshold would reach the depth."""
        end = self._end(num_layers)
        if end > num_layers or end - self.low < self.window:
            raise ValueError(
                f"low, high: [{self.low}, {end}) must hold a window of {self.window} layers and "
                f"lie in the checkpoint's {num_layers}; widen it or choose a smaller window"
            )
        if self.depth is None:
            return
        check_depth(self.depth, num_layers)
        left = _layers_left(num_layers, self._collapse(num_layers, lambda tried: 1.0, -1.0))
        if left > self.depth:
            raise ValueError(
                f"depth: {self.depth} is out of reach, {left} layers are left if every merge is "
                "accepted; widen low and high, or change window and interval"
            )


def _layers_left(num_layers: int, merges: list[LayerMerge]) -> int:
    return num_layers - sum(len(merge.taken) for merge in merges)

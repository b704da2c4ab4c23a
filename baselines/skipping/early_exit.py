"""Early exit: a decoded token leaves the stack of layers where the model is confident enough.

`softmax-gap` and `saturation` are CALM's criteria (arXiv 2207.07061): see
`cqil/plan/early_exit_rule.py`.
The threshold is given, or found on calibration text so that a decoded token runs `depth` layers on
average. CALM lets its threshold decay from token to token and trains the model for it; neither is
done here. `fixed` skips the layers above `depth` for every decoded token, which is the
training-free early exit that AdaSkip compares with (arXiv 2501.02336). The prompt runs in full.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth, check_one_given
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan
from cqil.plan.early_exit_rule import EarlyExitRule

MAX_BISECTIONS = 12
"""Most thresholds that a search tries."""
FIXED_OPTIONS = {"method", "criterion", "depth"}
"""Options that a fixed depth takes."""
DEPTH_TOLERANCE = 0.05
"""Layers by which the mean may miss the depth."""


class EarlyExitMethod(Method):
    family: ClassVar[str] = "skipping"
    method: Literal["early-exit"] = "early-exit"
    criterion: Literal["softmax-gap", "saturation", "fixed"] = Field(
        description="What a token leaves by; fixed leaves after `depth` layers"
    )
    threshold: float | None = Field(
        default=None, gt=0, lt=1, description="Confidence that a token must exceed to leave"
    )
    depth: Depth | None = Field(
        default=None, description="Mean layers of a decoded token; finds the threshold"
    )
    min_layers: int = Field(default=1, ge=1, description="Layers that always run")

    @property
    def look(self) -> Look:
        if self.criterion == "fixed":
            return Look("Early exit, fixed depth", "^", "left")
        if self.criterion == "saturation":
            return Look("Early exit, saturation", "^", "right")
        return Look("Early exit, softmax gap", "^")

    @model_validator(mode="after")
    def _one_target(self) -> "EarlyExitMethod":
        if self.criterion == "fixed" and (
            self.depth is None or self.model_fields_set - FIXED_OPTIONS
        ):
            raise ValueError("depth: criterion fixed takes depth alone")
        check_one_given(self, ("depth", "threshold"))
        if self.depth is not None and self.depth <= self.min_layers and self.criterion != "fixed":
            raise ValueError(f"depth: {self.depth} must lie above min_layers {self.min_layers}")
        return self

    @property
    def search_key(self) -> str | None:
        if self.depth is None or self.criterion == "fixed":
            return None
        return f"early-exit-{self.criterion}-L{self.min_layers}-G{self.depth}"

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        """Halves the range of thresholds; takes the one whose mean depth comes closest."""
        depth = self.depth
        assert depth is not None
        self._check(evaluator.num_layers)
        evaluator.set_total(MAX_BISECTIONS)
        low, high = 0.0, 1.0
        tried: list[dict[str, float]] = []
        while len(tried) < MAX_BISECTIONS:
            threshold = (low + high) / 2
            layers = evaluator.layers_run(self._rule(threshold))
            tried.append({"threshold": threshold, "layers": layers})
            if abs(layers - depth) <= DEPTH_TOLERANCE:
                break
            low, high = (threshold, high) if layers < depth else (low, threshold)
        best = min(tried, key=lambda row: abs(row["layers"] - depth))
        return best | {"tried": tried}

    def plan(self, evidence: Evidence) -> LayerPlan:
        """All layers may run, unless the depth is fixed."""
        self._check(evidence.num_layers)
        if self.criterion != "fixed":
            return dense_plan(evidence.num_layers)
        assert self.depth is not None
        return kept_layers_plan(evidence.num_layers, [*range(self.depth)], prompt_dense=True)

    def early_exit(self, evidence: Evidence) -> EarlyExitRule | None:
        if self.criterion == "fixed":
            return None
        return self._rule(self.threshold or evidence.required_search_result["threshold"])

    def _rule(self, threshold: float) -> EarlyExitRule:
        assert self.criterion != "fixed"
        return EarlyExitRule(self.criterion, threshold, self.min_layers)

    def _check(self, num_layers: int) -> None:
        """Raises ValueError where no token could leave before the last layer."""
        if self.depth is not None:
            check_depth(self.depth, num_layers)
        if self.min_layers >= num_layers:
            raise ValueError(
                f"min_layers: {self.min_layers} must be below the checkpoint's {num_layers} layers"
            )

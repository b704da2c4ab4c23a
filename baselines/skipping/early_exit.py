"""Early exit: a decoded token leaves the stack of layers where the model is confident enough.

`softmax-gap` and `saturation` are CALM's criteria (arXiv 2207.07061): see `cqil/exits.py`. The
threshold is given, or found on calibration text so that a decoded token runs `depth` layers on
average. CALM lets its threshold decay from token to token and trains the model for it; neither is
done here. `fixed` skips the layers above `depth` for every decoded token, which is the
training-free early exit that AdaSkip compares with (arXiv 2501.02336). The prompt runs in full.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cqil.exits import Exit
from cqil.method import Depth, Evidence, Method, Workbench, check_depth_option
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan

HALVINGS = 12
"""Thresholds tried at most."""
FIXED = {"method", "criterion", "depth"}
"""Options that a fixed depth takes."""
CLOSE = 0.05
"""Layers by which the mean may miss the depth."""


class EarlyExit(Method):
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
    least: int = Field(default=1, ge=1, description="Layers that always run")

    @model_validator(mode="after")
    def _one_target(self) -> "EarlyExit":
        if self.criterion == "fixed" and (self.depth is None or self.model_fields_set - FIXED):
            raise ValueError("depth: criterion fixed takes depth alone")
        if (self.depth is None) == (self.threshold is None):
            raise ValueError("depth: give either depth or threshold")
        if self.depth is not None and self.depth <= self.least and self.criterion != "fixed":
            raise ValueError(f"depth: {self.depth} must lie above least {self.least}")
        return self

    @property
    def search_key(self) -> str | None:
        if self.depth is None or self.criterion == "fixed":
            return None
        return f"early-exit-{self.criterion}-L{self.least}-G{self.depth}"

    def search(self, workbench: Workbench) -> dict[str, Any]:
        """Halves the range of thresholds; takes the one whose mean depth comes closest."""
        assert self.depth is not None
        self._check(workbench.num_layers)
        workbench.expect(HALVINGS)
        low, high, tried = 0.0, 1.0, []
        while len(tried) < HALVINGS:
            threshold = (low + high) / 2
            layers = workbench.layers_run(self._exit(threshold))
            tried.append({"threshold": threshold, "layers": layers})
            if abs(layers - self.depth) <= CLOSE:
                break
            low, high = (threshold, high) if layers < self.depth else (low, threshold)
        best = min(tried, key=lambda row: abs(row["layers"] - self.depth))
        return best | {"tried": tried}

    def plan(self, evidence: Evidence) -> LayerPlan:
        """All layers may run, unless the depth is fixed."""
        self._check(evidence.num_layers)
        if self.criterion != "fixed":
            return dense_plan(evidence.num_layers)
        assert self.depth is not None
        return kept_layers_plan(evidence.num_layers, [*range(self.depth)], prompt_dense=True)

    def exits(self, evidence: Evidence) -> Exit | None:
        if self.criterion == "fixed":
            return None
        return self._exit(self.threshold or evidence.outcome["threshold"])

    def _exit(self, threshold: float) -> Exit:
        assert self.criterion != "fixed"
        return Exit(self.criterion, threshold, self.least)

    def _check(self, num_layers: int) -> None:
        """Raises ValueError where no token could leave before the last layer."""
        if self.depth is not None:
            check_depth_option(self.depth, num_layers)
        if self.least >= num_layers:
            raise ValueError(
                f"least: {self.least} must be below the checkpoint's {num_layers} layers"
            )

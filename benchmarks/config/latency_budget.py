"""A latency budget among a variant's options, in place of a depth.

`cost_model/budget.py` finds the depth; variants without a budget do not depend on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from baselines.registry import methods
from benchmarks.config.sections import explain_validation_error

LATENCY_BUDGET = "latency_budget"


class LatencyBudget(BaseModel):
    """The largest depth whose predicted decode step takes no longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ms: float = Field(gt=0, allow_inf_nan=False, description="Of a decoded token")
    machine: str = Field(description="Preset of the cost model, or file of a probe")
    group_parallel_size: int = Field(
        default=1, ge=1, description="Layers of a group that run at the same time"
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="Ranks that share a layer")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="bfloat16", description="Of the weights there"
    )

    @property
    def tag(self) -> str:
        """In the name of a search."""
        layout = f"{self.group_parallel_size}x{self.tensor_parallel_size}"
        return f"L{self.ms:g}-{Path(self.machine).stem}-{layout}-{self.dtype}"

    def replaced(self, options: dict[str, Any], depth: int) -> dict[str, Any]:
        """The options with a depth in its place. Raises ValueError where they take none."""
        name = str(options["method"])
        if "depth" not in methods()[name].model_fields:
            raise ValueError(f"{LATENCY_BUDGET}: {name} takes no depth; choose another rule")
        if given := [key for key in ("depth", "speedup", "threshold") if key in options]:
            raise ValueError(f"{LATENCY_BUDGET}: {given[0]} is given too; give one of them")
        return {key: value for key, value in options.items() if key != LATENCY_BUDGET} | {
            "depth": depth
        }


def budget_of(options: dict[str, Any]) -> LatencyBudget | None:
    """Raises ValueError where there is one that is none."""
    if LATENCY_BUDGET not in options:
        return None
    try:
        return LatencyBudget.model_validate(options[LATENCY_BUDGET])
    except ValidationError as error:
        raise ValueError(f"{LATENCY_BUDGET}.{explain_validation_error(error)}") from None

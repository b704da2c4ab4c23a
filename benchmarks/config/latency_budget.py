"""A latency budget among a variant's options, in place of a depth. Imports no torch.

`benchmarks/cost_model/depth_for_budget.py` turns the budget into a depth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from baselines.registry import methods
from benchmarks.config.validation_errors import validated

LATENCY_BUDGET = "latency_budget"
"""Key of a budget among the options."""


class LatencyBudget(BaseModel):
    """Asks for the largest depth whose predicted decode step takes at most `ms`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ms: float = Field(gt=0, allow_inf_nan=False, description="Milliseconds of a decoded token")
    machine: str = Field(description="Preset of the cost model, or a probe's file")
    group_parallel_size: int = Field(
        default=1, ge=1, description="Layers of a group that run at the same time"
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="Ranks that share a layer")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="bfloat16", description="Type of the weights on that machine"
    )

    @property
    def tag(self) -> str:
        """The budget as part of the name of a search."""
        layout = f"{self.group_parallel_size}x{self.tensor_parallel_size}"
        return f"L{self.ms:g}-{Path(self.machine).stem}-{layout}-{self.dtype}"

    def replace_by_depth(self, options: dict[str, Any], depth: int) -> dict[str, Any]:
        """The options with `depth` in place of the budget.

        Raises ValueError where the method takes no depth, or has one besides the budget.
        """
        name = str(options["method"])
        if "depth" not in methods()[name].model_fields:
            raise ValueError(f"{LATENCY_BUDGET}: {name} takes no depth; choose another rule")
        if rivals := [key for key in ("depth", "speedup", "threshold") if key in options]:
            raise ValueError(f"{LATENCY_BUDGET}: {rivals[0]} is given too; give one of them")
        return {key: value for key, value in options.items() if key != LATENCY_BUDGET} | {
            "depth": depth
        }


def budget_of(options: dict[str, Any]) -> LatencyBudget | None:
    """The budget among the options, or None. Raises ValueError where it is malformed."""
    if LATENCY_BUDGET not in options:
        return None
    return validated(LatencyBudget, options[LATENCY_BUDGET], LATENCY_BUDGET)

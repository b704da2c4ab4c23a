"""A latency budget among a variant's options, in place of a depth.

`cost_model/budget.py` finds the depth; variants without a budget do not depend on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from baselines.registry import methods
from benchmarks.sections import explain

KEY = "latency_budget"


class Budget(BaseModel):
    """The largest depth whose predicted decode step takes no longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ms: float = Field(gt=0, allow_inf_nan=False, description="Of a decoded token")
    machine: str = Field(description="Preset of the cost model, or file of a probe")
    lanes: int = Field(default=1, ge=1, description="Ranks of a group")
    shards: int = Field(default=1, ge=1, description="Ranks of a layer")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="bfloat16", description="Of the weights there"
    )

    @property
    def tag(self) -> str:
        """In the name of a search."""
        return f"L{self.ms:g}-{Path(self.machine).stem}-{self.lanes}x{self.shards}-{self.dtype}"

    def replaced(self, options: dict[str, Any], depth: int) -> dict[str, Any]:
        """The options with a depth in its place. Raises ValueError where they take none."""
        name = str(options["method"])
        if "depth" not in methods()[name].model_fields:
            raise ValueError(f"{KEY}: {name} takes no depth; choose another rule")
        if given := [key for key in ("depth", "speedup", "threshold") if key in options]:
            raise ValueError(f"{KEY}: {given[0]} is given too; give one of them")
        return {key: value for key, value in options.items() if key != KEY} | {"depth": depth}


def budget_of(options: dict[str, Any]) -> Budget | None:
    """Raises ValueError where there is one that is none."""
    if KEY not in options:
        return None
    try:
        return Budget.model_validate(options[KEY])
    except ValidationError as error:
        raise ValueError(f"{KEY}.{explain(error)}") from None

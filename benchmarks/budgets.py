"""A latency budget among a variant's options, in place of a depth: the cost model finds the depth.

What it leads to is a projection, and is recorded as one.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from baselines.registry import methods
from benchmarks.cost_model.budget import Fit, depth_within
from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model import Work
from benchmarks.cost_model.shapes import Shape
from benchmarks.files import read_json
from benchmarks.sections import explain
from cqil.engine.layout import Layout
from cqil.selection.grouping import Grouping

KEY = "latency_budget"
PAIRS = 2
"""Layers of a group of the other orders that take a depth."""


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


def settled(
    options: dict[str, Any], manifest: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The options with the depth that their budget leaves this model, and what was predicted.

    Options without a budget come back as they are. Raises ValueError where no depth fits, where
    dense fits already, and where the machine is not known.
    """
    if (budget := budget_of(options)) is None:
        return options, None
    fit = _fit(options, budget, manifest)
    return budget.replaced(options, fit.depth), asdict(fit) | {"projected": True}


def _fit(options: dict[str, Any], budget: Budget, manifest: dict[str, Any]) -> Fit:
    shape = Shape.of_config(manifest["name"], read_json(Path(manifest["path"]) / "config.json"))
    return depth_within(
        budget.ms,
        shape,
        load_machine(budget.machine),
        group_size=_group_size(options),
        layout=Layout(lanes=budget.lanes, shards=budget.shards),
        work=Work(item=4 if budget.dtype == "float32" else 2),
    )


def _group_size(options: dict[str, Any]) -> int | None:
    """None for rules that leave layers out."""
    kind = methods()[options["method"]]
    if issubclass(kind, Grouping):
        size = options.get("group_size", kind.model_fields["group_size"].default)
        return int(size)
    return PAIRS if kind.family == "order" else None

"""What a method is: options that validate themselves, and a `plan` made from evidence.

To add one, drop a file with a `Method` subclass into `cqil/selection/` or a folder of `baselines/`
(`removal/`, `skipping/`, `reordering/`), or name its module under the entry-point group
`cqil.methods` of your own package; `baselines/registry.py` finds it. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from cqil.methods.evidence import Evidence, LayerMerge
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.schedule import Schedule

Depth = Annotated[int, Field(ge=1, description="Sequential stages left of the whole depth")]


@dataclass(frozen=True)
class Look:
    """How figures show the variants of a method."""

    label: str
    """In legends."""
    marker: str = "H"
    """As matplotlib names it."""
    fill: Literal["full", "left", "right", "bottom", "top", "none"] = "full"
    """Fill style of the marker."""


class Method(BaseModel, ABC):
    """Options of one method; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: ClassVar[str]
    """How reports group it: dense, cqil, reordering, removal or skipping."""
    default_look: ClassVar[Look | None] = None
    """How figures show it; None gives its name and a marker that all such methods share."""
    method: str

    @property
    def look(self) -> Look:
        """How figures show a variant with these options."""
        return self.default_look or Look(self.method)

    @property
    def needs_similarity(self) -> bool:
        return False

    @property
    def search_key(self) -> str | None:
        """Name of the search that it needs, if any; methods with one key share its outcome."""
        return None

    def search(self, workbench: PlanEvaluator) -> dict[str, Any]:
        """What `plan` needs to know, as plain JSON. Called only where there is a `search_key`."""
        raise NotImplementedError(f"{self.method} has no search")

    @abstractmethod
    def plan(self, evidence: Evidence) -> LayerPlan:
        """Raises ValueError where the options do not fit the checkpoint."""

    def schedule(self, evidence: Evidence) -> Schedule | None:
        """Plans that follow one another from token to token; None where `plan` serves them all."""
        return None

    def early_exit(self, evidence: Evidence) -> EarlyExitRule | None:
        """When a decoded token leaves the plan's stages early; None where all tokens stay."""
        return None

    def merges(self, evidence: Evidence) -> tuple[LayerMerge, ...]:
        """Weights that change before the plan runs; none for all methods but LaCo."""
        return ()


def check_depth(depth: int, num_layers: int) -> None:
    """Raises ValueError unless a checkpoint of `num_layers` can be brought to `depth`."""
    if not 1 <= depth < num_layers:
        raise ValueError(
            f"depth: {depth} must be below the checkpoint's {num_layers} layers and at least 1"
        )

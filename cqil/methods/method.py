"""What a method is: options that validate themselves, and a `plan` made from evidence.

To add one, drop a file with a `Method` subclass into `cqil/selection/` or a folder of `baselines/`
(`removal/`, `skipping/`, `reordering/`), or name its module under the entry-point group
`cqil.methods` of your own package; `baselines/registry.py` finds it. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from cqil.edits.weight_edit import LayerMerge
from cqil.methods.evidence import Evidence
from cqil.methods.options import check_layer_options
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.schedule import Schedule

Parallelism = Literal["group", "tensor"]
"""`group`: layers of a group run on ranks of their own; `tensor`: all ranks share each layer."""


@dataclass(frozen=True)
class Look:
    """How figures show the variants of a method."""

    label: str
    """In legends."""
    marker: str = "H"
    """As matplotlib names it."""
    fill: Literal["full", "left", "right", "bottom", "top"] = "full"
    """Fill style of the marker; hollow markers are those of missing numbers."""


class Method(BaseModel, ABC):
    """Options of one method; unknown keys are errors, and `true` is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    family: ClassVar[str]
    """How reports group it: dense, cqil, reordering, removal or skipping."""
    parallelism: ClassVar[Parallelism] = "group"
    """How its paper spreads a group of layers over ranks; plans without groups are the same."""
    default_look: ClassVar[Look | None] = None
    """How figures show it; None gives its name and a marker that all such methods share."""
    method: str

    @property
    def look(self) -> Look:
        """How figures show a variant with these options."""
        return self.default_look or Look(self.method)

    @property
    def needs_similarity(self) -> bool:
        """Whether `plan` reads the similarity of layer inputs."""
        return False

    @property
    def search_key(self) -> str | None:
        """Names the search that `plan` needs; methods with one key share its result."""
        return None

    def check_layers(self, num_layers: int) -> None:
        """Raises ValueError where an option asks for more layers than a model has."""
        check_layer_options(self, num_layers)

    @property
    def input_files(self) -> tuple[str, ...]:
        """The user's files that `plan` reads; a change of one makes the plan anew."""
        return ()

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        """What `plan` reads as `search_result`; called where there is a `search_key`."""
        raise NotImplementedError(f"{self.method} has no search")

    @abstractmethod
    def plan(self, evidence: Evidence) -> LayerPlan:
        """Raises ValueError where the options do not fit the checkpoint."""

    def schedule(self, evidence: Evidence) -> Schedule | None:
        """Plans that follow one another from token to token; None where `plan` serves all."""
        return None

    def early_exit(self, evidence: Evidence) -> EarlyExitRule | None:
        """When a decoded token leaves the plan's stages early; None where none does."""
        return None

    def merges(self, evidence: Evidence) -> tuple[LayerMerge, ...]:
        """Layers whose weights change before the plan runs; only LaCo has any."""
        return ()

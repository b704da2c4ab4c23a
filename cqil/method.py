"""What a method is: options that validate themselves, and a `plan` made from evidence.

To add one, drop a file with a `Method` subclass into `cqil/selection/` or a folder of `baselines/`
(`removal/`, `skipping/`, `orders/`); `baselines/registry.py` finds it. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cqil.exits import Exit
from cqil.plan import LayerPlan
from cqil.schedule import Schedule

Depth = Annotated[int, Field(ge=1, description="Sequential stages left of the whole depth")]


@dataclass(frozen=True)
class Similarity:
    """How alike the L+1 states of the residual stream are: the L layer inputs and the last output.

    Indexed [L+1, L+1]; entry (i, j) compares the input of layer i with that of layer j.
    """

    cosine: np.ndarray
    """Mean over tokens of the cosine of two states (CQIL, arXiv 2404.06709)."""
    angular_last: np.ndarray
    """Mean over texts of arccos(cosine)/pi at the last token (arXiv 2403.17887)."""

    @property
    def block_influence(self) -> np.ndarray:
        """[L]: 1 - cosine of a layer's input and output (ShortGPT, arXiv 2403.03853)."""
        return 1 - np.diagonal(self.cosine, offset=1)

    def to_dict(self) -> dict[str, Any]:
        return {"cosine": self.cosine.tolist(), "angular_last": self.angular_last.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Similarity:
        """Other keys of `data` are left alone."""
        return cls(cosine=np.array(data["cosine"]), angular_last=np.array(data["angular_last"]))


@dataclass(frozen=True)
class Merge:
    """LaCo (arXiv 2402.11187): one layer takes in those after it, which are then left out."""

    into: int
    taken: tuple[int, ...]
    rule: Literal["paper", "notebook"] = "paper"
    """`paper` adds each difference to the first layer; `notebook` ends with the last layer's."""


@dataclass(frozen=True)
class Evidence:
    """What was measured before a plan is chosen; a method reads only what it asked for."""

    num_layers: int
    similarity: Similarity | None = None
    found: dict[str, Any] | None = None
    """What the method's own search has found."""

    @property
    def outcome(self) -> dict[str, Any]:
        """What the search found. Raises ValueError where it has not been run."""
        if self.found is None:
            raise ValueError("search: has not been run for this variant; run the workflow first")
        return self.found


class Workbench(Protocol):
    """The dense model over calibration text, as a method's search sees it.

    Every answer is stored, so that a search that was cut off goes on where it stopped.
    """

    num_layers: int
    grid: int
    """How many candidates a search over places tries, where it does not try all."""

    def loss(self, plan: LayerPlan) -> float:
        """Mean negative log-likelihood of the calibration text, nats a token."""
        ...

    def divergence(self, plan: LayerPlan) -> float:
        """Mean KL divergence from the dense model's next token, nats a token."""
        ...

    def dependency(self) -> np.ndarray:
        """[L, L]: entry (i, j) is the cosine distance of what layer j adds with and without i."""
        ...

    def salience(self, kind: Literal["magnitude", "taylor", "relative"]) -> np.ndarray:
        """[L]: how much the weights of each layer matter."""
        ...

    def merged_similarity(self, merges: Sequence[Merge]) -> float:
        """Mean cosine of final states, all positions, of the merged model with the dense one's."""
        ...

    def layers_run(self, exits: Exit) -> float:
        """Mean layers of a decoded token where tokens leave early; the first half is prompt."""
        ...

    def expect(self, evaluations: int) -> None:
        """How many evaluations the search will take at most; for the progress line."""
        ...


class Method(BaseModel, ABC):
    """Options of one method; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: ClassVar[str]
    """How reports group it: dense, cqil, order, removal or skipping."""
    method: str

    @property
    def needs_similarity(self) -> bool:
        return False

    @property
    def search_key(self) -> str | None:
        """Name of the search that it needs, if any; methods with one key share its outcome."""
        return None

    def search(self, workbench: Workbench) -> dict[str, Any]:
        """What `plan` needs to know, as plain JSON. Called only where there is a `search_key`."""
        raise NotImplementedError(f"{self.method} has no search")

    @abstractmethod
    def plan(self, evidence: Evidence) -> LayerPlan:
        """Raises ValueError where the options do not fit the checkpoint."""

    def schedule(self, evidence: Evidence) -> Schedule | None:
        """Plans that follow one another from token to token; None where `plan` serves them all."""
        return None

    def exits(self, evidence: Evidence) -> Exit | None:
        """When a decoded token leaves the plan's stages early; None where all tokens stay."""
        return None

    def merges(self, evidence: Evidence) -> tuple[Merge, ...]:
        """Weights that change before the plan runs; none for all methods but LaCo."""
        return ()


def check_depth_option(depth: int, num_layers: int) -> None:
    """Raises ValueError unless a checkpoint of `num_layers` can be brought to `depth`."""
    if not 1 <= depth < num_layers:
        raise ValueError(
            f"depth: {depth} must be below the checkpoint's {num_layers} layers and at least 1"
        )

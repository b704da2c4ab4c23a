"""What a method is: options that validate themselves, and a `plan` made from evidence.

To add one, drop a file with a `Method` subclass into `cqil/selection/`, `baselines/removal/` or
`baselines/skipping/`; `baselines/registry.py` finds it. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cqil.plan import LayerPlan

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
class Evidence:
    """What was measured before a plan is chosen; a method reads only what its `needs` names."""

    num_layers: int
    similarity: Similarity | None = None
    start: int | None = None
    """First grouped layer that the grid search over calibration perplexity chose."""


class Method(BaseModel, ABC):
    """Options of one method; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: ClassVar[str]
    """How reports group it: dense, cqil, removal or skipping."""
    method: str

    @property
    def needs_similarity(self) -> bool:
        return False

    @property
    def search(self) -> tuple[int, int] | None:
        """Group size and depth of the grid search that it needs, if any."""
        return None

    @abstractmethod
    def plan(self, evidence: Evidence) -> LayerPlan:
        """Raises ValueError where the options do not fit the checkpoint."""


def check_depth_option(depth: int, num_layers: int) -> None:
    """Raises ValueError unless a checkpoint of `num_layers` can be brought to `depth`."""
    if not 1 <= depth < num_layers:
        raise ValueError(
            f"depth: {depth} must be below the checkpoint's {num_layers} layers and at least 1"
        )

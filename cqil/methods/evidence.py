"""What is measured on the dense model before a plan is chosen. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class LayerSimilarity:
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
    def from_dict(cls, data: dict[str, Any]) -> LayerSimilarity:
        """Other keys of `data` are left alone."""
        return cls(cosine=np.array(data["cosine"]), angular_last=np.array(data["angular_last"]))


@dataclass(frozen=True)
class LayerMerge:
    """LaCo (arXiv 2402.11187): one layer takes in those after it, which are then left out."""

    into: int
    taken: tuple[int, ...]
    rule: Literal["paper", "notebook"] = "paper"
    """`paper` adds each difference to the first layer; `notebook` ends with the last layer's."""


@dataclass(frozen=True)
class Evidence:
    """What was measured before a plan is chosen; a method reads only what it asked for."""

    num_layers: int
    similarity: LayerSimilarity | None = None
    found: dict[str, Any] | None = None
    """What the method's own search has found."""

    @property
    def outcome(self) -> dict[str, Any]:
        """What the search found. Raises ValueError where it has not been run."""
        if self.found is None:
            raise ValueError("search: has not been run for this variant; run the workflow first")
        return self.found

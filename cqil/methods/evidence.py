"""What is measured on the dense model before a plan is chosen. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LayerSimilarity:
    """Similarity of the L+1 states of the residual stream: the L layer inputs and the last output.

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
        """Plain lists; `from_dict` restores them."""
        return {"cosine": self.cosine.tolist(), "angular_last": self.angular_last.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LayerSimilarity:
        """Reads the two matrices; other keys of `data` are ignored."""
        return cls(cosine=np.array(data["cosine"]), angular_last=np.array(data["angular_last"]))


@dataclass(frozen=True)
class Evidence:
    """What was measured before a plan is chosen; a method reads only what it needs."""

    num_layers: int
    similarity: LayerSimilarity | None = None
    search_result: dict[str, Any] | None = None
    """What the method's own search returned."""

    @property
    def required_search_result(self) -> dict[str, Any]:
        """The search's result. Raises ValueError where the search has not been run."""
        if self.search_result is None:
            raise ValueError("search: has not been run for this variant; run the workflow first")
        return self.search_result

    @property
    def required_similarity(self) -> LayerSimilarity:
        """The similarity of layer inputs. Raises ValueError where it has not been measured."""
        if self.similarity is None:
            raise ValueError(
                "similarity: missing; measure it with "
                "cqil.modeling.layer_similarity.measure_similarity"
            )
        return self.similarity

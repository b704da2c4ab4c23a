"""What a method's search may ask of the dense model over calibration text. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from cqil.edits.weight_edit import LayerMerge
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule


class PlanEvaluator(Protocol):
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

    def merged_similarity(self, merges: Sequence[LayerMerge]) -> float:
        """Mean cosine of final states, all positions, of the merged model with the dense one's."""
        ...

    def layers_run(self, early_exit: EarlyExitRule) -> float:
        """Mean layers of a decoded token where tokens leave early; the first half is prompt."""
        ...

    def set_total(self, evaluations: int) -> None:
        """How many evaluations the search will take at most; for the progress line."""
        ...

"""What a training leaves: points of its course, and checkpoints to go on from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class TrainingPoint:
    """The state of a training after some of its steps."""

    step: int
    tokens: int
    seconds: float
    """Of training, without what measuring and interruptions took."""
    loss: float | None
    """Mean over the tokens of the step, in nats; None before the first."""
    held_out: float | None
    """Cross-entropy of held-out tokens, in nats; None where it was not measured."""


@dataclass(frozen=True)
class TrainingCheckpoint:
    """All that a training needs to go on; steps depend on nothing else than their number."""

    points: list[TrainingPoint]
    weights: dict[str, torch.Tensor]
    """Name in the planned model -> trained weight."""
    optimizer: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Tensors and plain values, which `torch.load` reads with `weights_only`."""
        return vars(self) | {"points": [asdict(point) for point in self.points]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingCheckpoint:
        return cls(**data | {"points": [TrainingPoint(**point) for point in data["points"]]})

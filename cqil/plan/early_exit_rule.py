"""A depth that depends on each token: it leaves where the model is confident. Imports no torch.

The confidence counterpart of a schedule, after CALM (arXiv 2207.07061). The prompt runs in full. A
decoded token that has left keeps its state; layers above take keys and values from that state.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from cqil.errors import check_known

Criterion = Literal["softmax-gap", "saturation"]


@dataclass(frozen=True)
class EarlyExitRule:
    """When a decoded token leaves. Raises ValueError, naming the field, for what makes no sense."""

    criterion: Criterion
    """`softmax-gap`: top-1 minus top-2 probability of the head over the normed state;
    `saturation`: cosine of the states before and after the last stage."""
    threshold: float
    """What the confidence must exceed, between 0 and 1."""
    min_layers: int = 1
    """Stages that always run; a stage of a dense plan is a layer."""

    def __post_init__(self) -> None:
        check_known("criterion", self.criterion, get_args(Criterion))
        if not _is_number(self.threshold) or not 0 < self.threshold < 1:
            raise ValueError(f"threshold: {self.threshold!r} must be a number between 0 and 1")
        if type(self.min_layers) is not int or self.min_layers < 1:
            raise ValueError(
                f"min_layers: {self.min_layers!r} must be a whole number of at least 1"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain scalars; `from_dict` restores the rule."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> EarlyExitRule:
        fields = tuple(cls.__dataclass_fields__)
        if not isinstance(data, dict) or not {"criterion", "threshold"} <= set(data) <= set(fields):
            raise ValueError(
                f"early_exit: {data!r} is no object with the fields {', '.join(fields)}"
            )
        return cls(**data)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

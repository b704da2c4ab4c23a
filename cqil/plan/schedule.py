"""A plan that changes from token to token, as SkipDecode's does. Imports no torch."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from cqil.plan import LayerPlan


@dataclass(frozen=True)
class Schedule:
    """Plan k serves decoded tokens from `starts[k]` on; the prompt runs as the first plan says.

    A layer that has paused would lack the keys of the tokens it did not see, so later plans may
    only drop layers. Raises ValueError, naming the field, where they bring one back.
    """

    plans: tuple[LayerPlan, ...]
    starts: tuple[int, ...] = (0,)
    """First decoded token of each plan, counted from 0 and ascending."""

    def __post_init__(self) -> None:
        if len(self.plans) != len(self.starts) or self.starts[:1] != (0,):
            raise ValueError(
                f"starts: {self.starts} must begin with 0 and name a token for each plan"
            )
        if any(a >= b for a, b in zip(self.starts, self.starts[1:], strict=False)):
            raise ValueError(f"starts: {self.starts} must ascend")
        for earlier, later in zip(self.plans, self.plans[1:], strict=False):
            later.check_depth(earlier.num_layers)
            if back := sorted(set(later.attending_layers) - set(earlier.attending_layers)):
                raise ValueError(
                    f"plans: layer {back[0]} comes back after a pause and would lack keys; "
                    "later plans may only drop layers"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and scalars; `from_dict` restores the schedule."""
        return {"plans": [plan.to_dict() for plan in self.plans], "starts": list(self.starts)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schedule:
        return cls(tuple(map(LayerPlan.from_dict, data["plans"])), tuple(data["starts"]))

    def index_at(self, token: int) -> int:
        """Which plan serves a decoded token, counted from 0."""
        return bisect_right(self.starts, token) - 1

"""Errors of measurements: what this machine cannot make, and what gave no number. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable


class UnavailableError(ValueError):
    """The machine lacks what the measurement needs."""


class NotFiniteError(ValueError):
    """A computation gave NaN or infinity, so there is no number to record."""


def check_finite_scores(values: Iterable[float], what: str) -> None:
    """Raises NotFiniteError, naming what the values are, unless all are finite."""
    if (wrong := next((v for v in values if not math.isfinite(v)), None)) is not None:
        raise NotFiniteError(
            f"the {what} is {wrong}: the model overflows under this plan or dtype; use float32 or "
            "bfloat16"
        )

"""Checks and conversions that options of several methods share. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, Field

LAYER_OPTIONS = ("depth", "start", "end", "min_depth", "max_depth", "min_layers", "low", "high")
"""Options that count layers."""
Depth = Annotated[int, Field(ge=1, description="Sequential stages left of the whole depth")]


def check_depth(depth: int, num_layers: int) -> None:
    """Raises ValueError unless a checkpoint of `num_layers` can be brought to `depth`."""
    if not 1 <= depth < num_layers:
        raise ValueError(
            f"depth: {depth} must be below the checkpoint's {num_layers} layers and at least 1"
        )


def check_layer_options(options: BaseModel, num_layers: int) -> None:
    """Raises ValueError where an option asks for more layers than a model has."""
    for name in LAYER_OPTIONS:
        value = getattr(options, name, None)
        if value is not None and value > num_layers:
            raise ValueError(f"{name}: {value}, but the model has {num_layers} layers")


def check_one_given(options: BaseModel, names: Sequence[str]) -> None:
    """Raises ValueError unless exactly one of the named options has a value."""
    given = [name for name in names if getattr(options, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        raise ValueError(f"{(given or names)[0]}: give one of {', '.join(names)}; got {got}")


def exact_ratio(number: float) -> Fraction:
    """The number as it is written: 33 / 1.1 is 30, and not the 29.99... of binary fractions."""
    return Fraction(str(number))

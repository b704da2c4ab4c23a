"""How the weights of a variant were healed, as its manifest says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt

from benchmarks.results.schema_parts import Hardware

HEALING_EDITS = ("refit", "adapter")
"""Kinds of edits that heal; a merge belongs to the method."""


class CoursePoint(BaseModel):
    """Healing after some of its tokens, without what the report does not read."""

    tokens: NonNegativeInt
    seconds: NonNegativeFloat
    held_out: FiniteFloat | None
    """Cross-entropy of held-out tokens, in nats; None where it was not measured."""


class HealedHere(BaseModel):
    """A step that this suite took: a refit or a training."""

    method: Literal["refit", "lora", "full"]
    tokens: NonNegativeInt
    """Tokens of text that it read."""
    seconds: NonNegativeFloat
    dtype: str
    device: str
    threads: int
    hardware: Hardware
    dense_held_out: FiniteFloat
    """Cross-entropy of the held-out tokens of the dense model, in nats."""
    course: list[CoursePoint] = Field(min_length=1)
    """From before the step to its end."""


class ForeignAdapter(BaseModel):
    """An adapter that others trained; its cost is not known."""

    method: Literal["adapter"]
    source: str
    """A released name, a folder or a hub id."""


HealingStep = HealedHere | ForeignAdapter


class _HealingEdit(BaseModel):
    made: Annotated[HealingStep, Field(discriminator="method")]


class _HealingEdits(BaseModel):
    edits: list[_HealingEdit]


def healing_steps(edits: Sequence[dict[str, Any]]) -> list[HealingStep]:
    """The steps among a variant's edits, in their order. Raises pydantic's ValidationError."""
    healing = [edit for edit in edits if edit.get("kind") in HEALING_EDITS]
    return [edit.made for edit in _HealingEdits.model_validate({"edits": healing}).edits]


def total_tokens(steps: Sequence[HealingStep]) -> float:
    """Tokens of all steps; NaN where one of them does not say."""
    return sum(step.tokens if isinstance(step, HealedHere) else math.nan for step in steps)


def total_minutes(steps: Sequence[HealingStep]) -> float:
    """Minutes of all steps; NaN where one of them does not say."""
    return sum(step.seconds if isinstance(step, HealedHere) else math.nan for step in steps) / 60

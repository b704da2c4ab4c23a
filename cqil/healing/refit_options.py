"""Options of refit. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Projection = Literal["down_proj", "o_proj"]
Scope = Literal["changed", "after"]


class RefitOptions(BaseModel):
    """What is refitted, on how much text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["refit"] = "refit"
    tokens: int = Field(ge=1, description="Calibration tokens, rounded down to whole windows")
    projections: tuple[Projection, ...] = Field(
        default=("o_proj", "down_proj"),
        min_length=1,
        description="Solved for together in each stage",
    )
    scope: Scope = Field(
        default="changed",
        description="Stages with a group or before removed layers, or all from the first of them",
    )
    ridges: tuple[float, ...] = Field(
        default=(0.01, 0.03, 0.1, 0.3, 1.0),
        description="What is tried, as shares of the mean diagonal of the Gram matrix",
    )
    held_out: float = Field(
        default=0.125, gt=0, lt=1, description="Share of the windows that choose the ridge"
    )
    loss_steps: int = Field(
        default=4, ge=0, description="Steps on the loss itself once all stages are fitted"
    )
    loss_share: float = Field(
        default=0.4, gt=0, lt=1, description="Share of the windows kept for these steps"
    )
    batch: int = Field(default=8, ge=1, description="Windows that run at once")

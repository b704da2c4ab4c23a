"""Options of healing by training: a token budget, a loss and an optimizer. Imports no torch.

The defaults are the recipe that CQIL released (LoRA by distillation; 8,000 steps of it are
524,288,000 tokens), but for the tokens, which every run must name.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Loss = Literal["distillation", "language-model"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Target = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TARGETS: tuple[Target, ...] = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)


class TrainingOptions(BaseModel):
    """What the training of adapters and of whole layers share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int = Field(ge=0, description="Tokens to train on, rounded up to whole steps")
    loss: Loss = Field(
        default="distillation",
        description="KL divergence from the dense model, or next-token cross-entropy",
    )
    temperature: Positive = Field(default=1.0, description="Of both models in distillation")
    learning_rate: Positive = 1e-4
    schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="Of the learning rate, after the warm-up"
    )
    warmup: float = Field(default=0.0, ge=0, lt=1, description="Share of the steps that rise to it")
    weight_decay: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    step_tokens: int = Field(
        default=65_536, ge=1, description="Tokens of an optimizer step, of all devices together"
    )
    batch: int = Field(default=1, ge=1, description="Windows that one device runs at once")
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations twice and hold those of one stage"
    )
    prompt: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of a window that is prompt, where a plan skips layers after it alone",
    )

    def windows_of_step(self, window: int) -> int:
        """Windows of one optimizer step."""
        return max(1, self.step_tokens // window)

    def prompt_tokens(self, window: int) -> int:
        """Tokens of a window that are prompt, where that matters."""
        return min(window - 1, max(1, round(self.prompt * window)))

    def steps(self, window: int) -> int:
        """Optimizer steps of the whole budget."""
        return math.ceil(self.tokens / (self.windows_of_step(window) * window))

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - rising) / max(1, steps - rising)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


class LoraOptions(TrainingOptions):
    """LoRA (arXiv 2106.09685) on the layers that the plan runs."""

    method: Literal["lora"] = "lora"
    rank: int = Field(default=32, ge=1)
    alpha: Positive = 32
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[Target, ...] = Field(default=TARGETS, min_length=1)
    layers: Literal["all", "changed"] = Field(
        default="all", description="All that the plan runs, or those in stages it changed"
    )


class FullOptions(TrainingOptions):
    """Every weight of the layers that the plan runs; embeddings and head stay frozen."""

    method: Literal["full"] = "full"

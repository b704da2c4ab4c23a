"""What a step of the cost model runs: a prompt or one token, its batch and sizes. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["prefill", "decode"]


@dataclass(frozen=True, kw_only=True)
class StepWorkload:
    """One step: a prompt of `context` tokens, or one token after it."""

    phase: Phase = "decode"
    batch: int = 1
    context: int = 128
    """Tokens of the prompt, and in the cache when a token is decoded."""
    itemsize: int = 2
    """Bytes of an element of weights, cache and messages."""
    whole_head: bool = False
    """Every rank computes all logits, as in systems that shard only the layers."""

    @property
    def tokens(self) -> int:
        """Tokens of each sequence that run through the layers."""
        return self.context if self.phase == "prefill" else 1


def itemsize_of(dtype: str) -> int:
    """Bytes of an element of float32, bfloat16 or float16."""
    return 4 if dtype == "float32" else 2


ONE_TOKEN = StepWorkload()
"""One decoded token in 16 bits after a short prompt."""

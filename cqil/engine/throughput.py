"""Tokens and bytes a second of one generation, and the bandwidth of a plain copy beside them.

While one sequence is decoded every weight is read once a token, so memory bandwidth is the bound.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch

from cqil.engine.engine import Engine
from cqil.engine.step_clock import StepClock, synchronized_time

COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30}
"""Large enough that no cache holds it."""


@dataclass(frozen=True)
class GenerationSpeed:
    """Speed of one generation on one rank."""

    prompt_tokens: int
    decoded: int
    """Tokens after the first, of each sequence."""
    batch: int
    prefill_s: float
    decode_s: float
    step_bytes: int
    """Read by the last decode step."""

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all sequences a second, while decoding."""
        return self.decoded * self.batch / self.decode_s if self.decoded else float("nan")

    @property
    def bandwidth(self) -> float:
        """Bytes a second that decoding read."""
        return self.decoded * self.step_bytes / self.decode_s if self.decoded else float("nan")


def time_generation(
    engine: Engine, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None, max_new_tokens: int
) -> tuple[torch.Tensor, GenerationSpeed]:
    """Greedy tokens [B, T] and their speed; two tokens are generated before, for warm-up."""
    list(islice(engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens), 2))
    clock, tokens = StepClock(ids_BT.device), []
    clock.mark()
    for token_B in engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens):
        tokens.append(token_B.clone())
        clock.mark()
    prefill_s, *steps_s = clock.intervals()
    speed = GenerationSpeed(
        prompt_tokens=ids_BT.shape[1],
        decoded=len(steps_s),
        batch=len(ids_BT),
        prefill_s=prefill_s,
        decode_s=sum(steps_s),
        step_bytes=engine.step_bytes,
    )
    return torch.stack(tokens, dim=1), speed


def copy_bandwidth(device: str, repeats: int = 7) -> float:
    """Bytes read and written a second by the fastest of several large copies."""
    place = torch.device(device)
    source = torch.ones(COPY_BYTES[place.type], dtype=torch.uint8, device=place)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeats):
        start = synchronized_time(place)
        target.copy_(source)
        times.append(synchronized_time(place) - start)
    return 2 * source.nbytes / min(times)

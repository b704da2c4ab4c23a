"""Tokens and bytes a second of one generation, and the bandwidth of a plain copy to compare with.

Decoding one sequence reads every weight once a token, so memory bandwidth limits its speed.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch

from cqil.engine.engine import Engine
from cqil.engine.step_clock import StepClock, synchronized_time

COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30}
"""Device type -> bytes of the copy, which no cache of the device holds."""


@dataclass(frozen=True)
class GenerationSpeed:
    """Speed of one generation on one rank."""

    prompt_tokens: int
    decoded: int
    """Tokens after the first, of each sequence."""
    batch: int
    prefill_s: float
    decode_s: float
    decode_bytes: int
    """Bytes that all decode steps read."""

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all sequences a second, while decoding."""
        return self.decoded * self.batch / self.decode_s if self.decoded else float("nan")

    @property
    def bandwidth(self) -> float:
        """Bytes a second that decoding read."""
        return self.decode_bytes / self.decode_s if self.decoded else float("nan")


def time_generation(
    engine: Engine, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None, max_new_tokens: int
) -> tuple[torch.Tensor, GenerationSpeed]:
    """Greedy tokens [B, T] and their speed, after a warm-up of two tokens."""
    list(islice(engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens), 2))
    clock, tokens, step_bytes = StepClock(ids_BT.device), [], []
    clock.mark()
    for token_B in engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens):
        tokens.append(token_B.clone())
        clock.mark()
        step_bytes.append(engine.step_bytes)  # the cache grows from step to step
    prefill_s, *steps_s = clock.intervals()
    speed = GenerationSpeed(
        prompt_tokens=ids_BT.shape[1],
        decoded=len(steps_s),
        batch=len(ids_BT),
        prefill_s=prefill_s,
        decode_s=sum(steps_s),
        decode_bytes=sum(step_bytes[1:]),
    )
    return torch.stack(tokens, dim=1), speed


def copy_bandwidth(device: str, repeats: int = 7) -> float:
    """Bytes a second, read and written, of the fastest of several large copies."""
    torch_device = torch.device(device)
    source = torch.ones(COPY_BYTES[torch_device.type], dtype=torch.uint8, device=torch_device)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeats):
        start = synchronized_time(torch_device)
        target.copy_(source)
        times.append(synchronized_time(torch_device) - start)
    return 2 * source.nbytes / min(times)

"""How fast a text was generated, against what the memory of the device could do at best.

While one sequence is decoded every weight is read once a token, so memory bandwidth is the roof.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from cqil.engine.engine import Engine

COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30}
"""Large enough to leave every cache."""


@dataclass(frozen=True)
class Speed:
    """Of one generation on one rank."""

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
        """Of all sequences together, while decoding."""
        return self.decoded * self.batch / self.decode_s if self.decoded else float("nan")

    @property
    def bandwidth(self) -> float:
        """Bytes a second that decoding read."""
        return self.decoded * self.step_bytes / self.decode_s if self.decoded else float("nan")


def timed_generation(
    engine: Engine, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None, max_new_tokens: int
) -> tuple[torch.Tensor, Speed]:
    """Greedy tokens [B, T] and their speed; a first, unrecorded start warms up and captures."""
    list(islice(engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens), 2))
    began = clock(ids_BT.device)
    tokens, marks = [], []
    for token_B in engine.stream(ids_BT, mask_BT, max_new_tokens=max_new_tokens):
        tokens.append(token_B.clone())
        marks.append(clock(ids_BT.device))
    speed = Speed(
        prompt_tokens=ids_BT.shape[1],
        decoded=len(tokens) - 1,
        batch=len(ids_BT),
        prefill_s=marks[0] - began,
        decode_s=marks[-1] - marks[0],
        step_bytes=engine.step_bytes,
    )
    return torch.stack(tokens, dim=1), speed


def copy_bandwidth(device: str, repeats: int = 7) -> float:
    """Bytes read and written a second by the fastest of several large copies."""
    kind = torch.device(device)
    source = torch.ones(COPY_BYTES[kind.type], dtype=torch.uint8, device=kind)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeats):
        began = clock(kind)
        target.copy_(source)
        times.append(clock(kind) - began)
    return 2 * source.nbytes / min(times)


def clock(device: torch.device) -> float:
    """Seconds, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class PeakMemory:
    """The most bytes that were taken inside the `with` block, beyond those held before it.

    On CUDA those of the allocator; else the anonymous and file pages that are resident (Linux).
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before = torch.cuda.memory_allocated(self.device)
        else:
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device)
        else:
            peak = _status("VmHWM")
        self.bytes = peak - self._before


def _status(field: str) -> int:
    """Bytes, from the kernel's record of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: has no {field}; memory is read on Linux only")

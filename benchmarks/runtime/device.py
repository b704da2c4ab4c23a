"""Device, type, threads and seed that a measurement runs with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.results.hardware import hardware
from benchmarks.runtime.errors import UnavailableError


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Device, type, threads and seed of one process."""

    device: str
    """`auto` takes CUDA where there is one."""
    dtype: str
    threads: int
    seed: int

    def start(self) -> str:
        """Sets the threads and names the device. Raises UnavailableError where it is absent."""
        torch.set_num_threads(self.threads)
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UnavailableError("device: cuda, but this machine has no CUDA device; use cpu")
        return self.device


def device_count(device: str) -> int:
    """How many ranks this machine can run at once: CUDA devices, or cores."""
    return torch.cuda.device_count() if device == "cuda" else hardware().cores

"""The device, dtype, threads and seed of a measurement."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.results.hardware import hardware
from benchmarks.runtime.errors import UnavailableError
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.errors import check_known


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The device, dtype, threads and seed of one process."""

    device: str
    """auto, cpu or cuda; auto takes CUDA where there is a device."""
    dtype: str
    threads: int
    seed: int

    def __post_init__(self) -> None:
        check_known("device", self.device, ("auto", "cpu", "cuda"))
        check_known("dtype", self.dtype, DTYPES)
        if self.threads < 1:
            raise ValueError(f"threads: {self.threads} must be at least 1")

    def start(self) -> str:
        """Sets the threads and returns the device. Raises UnavailableError where it is absent."""
        torch.set_num_threads(self.threads)
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UnavailableError("device: cuda, but this machine has no CUDA device; use cpu")
        return self.device


def device_count(device: str) -> int:
    """Number of ranks that this machine can run at the same time: CUDA devices, or cores."""
    return torch.cuda.device_count() if device == "cuda" else hardware().cores


def check_ranks(ranks: int, device: str) -> None:
    """Raises UnavailableError where this machine cannot run so many ranks at the same time."""
    if ranks > (available := device_count(device)):
        unit = "CUDA devices" if device == "cuda" else "CPU cores"
        raise UnavailableError(
            f"ranks: {ranks}, but this machine has {available} {unit}; use fewer"
        )

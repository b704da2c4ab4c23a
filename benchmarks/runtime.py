"""How a measurement runs, and how its outcome becomes a result: ok, skipped or failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from benchmarks.provenance import hardware, provenance
from benchmarks.record import Result
from benchmarks.variants import Variant

R = TypeVar("R", bound=Result)
T = TypeVar("T")


class UnavailableError(ValueError):
    """The machine lacks what was asked for."""


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


def devices(device: str) -> int:
    """How many ranks this machine can run at once: CUDA devices, or cores."""
    return torch.cuda.device_count() if device == "cuda" else hardware().cores


def outcome(
    kind: type[R],
    variant: Variant,
    workload: dict[str, Any],
    runtime: Runtime,
    measure: Callable[[str], dict[str, Any]],
    **known: Any,
) -> R:
    """Runs `measure` on the device that `runtime` names; it returns fields of the result.

    What the machine lacks gives `skipped` and memory that runs out gives `failed`; the result then
    has the `known` fields alone. Every other error is a fault of the program and is raised.
    """
    status, reason, device = "ok", None, runtime.device
    fields = {"samples": []} | known
    try:
        device = runtime.start()
        fields |= measure(device)
    except UnavailableError as error:
        status, reason = "skipped", str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        status, reason = "failed", f"out of memory: {str(error) or 'no detail'}".splitlines()[0]
    return kind(
        status=status,
        reason=reason,
        workload=workload,
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        **variant.result_fields(),
        **fields,
    )


def once(measure: Callable[[str], T]) -> Callable[[str], T]:
    """Measures the first time it is called; later calls get the same values, or the same error."""
    ended: list[T | BaseException] = []

    def first_time_alone(device: str) -> T:
        if not ended:
            try:
                ended.append(measure(device))
            except BaseException as error:
                ended.append(error)
        if isinstance(ended[0], BaseException):
            raise ended[0]
        return ended[0]

    return first_time_alone

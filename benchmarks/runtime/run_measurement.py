"""Runs a measurement, and says why where there is no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from benchmarks.models.variants import Variant
from benchmarks.results.measurements import Result
from benchmarks.results.provenance import provenance
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.errors import UnavailableError

R = TypeVar("R", bound=Result)


T = TypeVar("T")


def run_measurement(
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


def measured_once(measure: Callable[[str], T]) -> Callable[[str], T]:
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

"""Runs a measurement, and records the reason where there is no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from benchmarks.models.variants import Variant
from benchmarks.results.provenance import provenance
from benchmarks.results.result_schema import Result
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.errors import NotFiniteError, UnavailableError

R = TypeVar("R", bound=Result)
T = TypeVar("T")


def run_measurement(
    result_class: type[R],
    variant: Variant,
    workload: dict[str, Any],
    runtime: Runtime,
    measure: Callable[[str], dict[str, Any]],
    **fixed_fields: Any,
) -> R:
    """The result of `measure`, which gets the device and returns fields of the result.

    UnavailableError makes the result `skipped`; memory that runs out, and NotFiniteError, make it
    `failed`; such a result has the `fixed_fields` and no samples. Every other error is raised.
    """
    status, reason, device = "ok", None, runtime.device
    fields: dict[str, Any] = {"samples": []} | fixed_fields
    try:
        device = runtime.start()
        fields |= measure(device)
    except UnavailableError as error:
        status, reason = "skipped", str(error)
    except NotFiniteError as error:
        status, reason = "failed", str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        status, reason = "failed", f"out of memory: {str(error) or 'no detail'}".splitlines()[0]
    return result_class(
        status=status,
        reason=reason,
        workload=workload,
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        **variant.result_fields(),
        **fields,
    )


def measured_once(measure: Callable[[str], T]) -> Callable[[str], T]:
    """Measures in the first call; later calls return the same value or raise the same error."""
    outcomes: list[T | BaseException] = []

    def measure_or_recall(device: str) -> T:
        if not outcomes:
            try:
                outcomes.append(measure(device))
            except BaseException as error:
                outcomes.append(error)
        if isinstance(outcomes[0], BaseException):
            raise outcomes[0]
        return outcomes[0]

    return measure_or_recall

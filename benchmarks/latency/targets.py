"""The latency results of a run: variants x backends x workloads. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.config.sections import AA_CONTROL, REFERENCE, LatencySection, Workload
from benchmarks.latency.backends import configured_backends
from benchmarks.latency.backends.backend import Backend


class LatencyTarget(NamedTuple):
    """One result file of a latency measurement."""

    backend: Backend
    workload: Workload
    variant: str
    """Its name in the configuration, or AA_CONTROL."""

    @property
    def group(self) -> str:
        """Folder of the results that are compared with each other."""
        return f"{self.backend.name}/{self.workload.name}"

    @property
    def key(self) -> str:
        """Name of the runner that is timed; workloads share it."""
        return f"{self.backend.name}/{self.variant}"


def latency_targets(variants: Iterable[str], latency: LatencySection) -> list[LatencyTarget]:
    """Every result of a run, workload by workload; `variants`: their names.

    Raises ValueError for an unknown kind of backend.
    """
    names = list(variants)
    backend_variants: list[tuple[Backend, str]] = []
    for backend in configured_backends(latency):
        backend_variants += [(backend, name) for name in names if backend.runs(name)]
        if backend.has_aa_control and REFERENCE in names:
            backend_variants.append((backend, AA_CONTROL))
    return [
        LatencyTarget(backend, workload, name)
        for workload in latency.workloads
        for backend, name in backend_variants
    ]

"""What a run times: every variant on every backend, for every workload. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.config.sections import AA_CONTROL, REFERENCE, LatencySection, Workload
from benchmarks.latency.backends import configured_backends
from benchmarks.latency.backends.backend import Backend


class LatencyTarget(NamedTuple):
    """One result file."""

    backend: Backend
    workload: Workload
    variant: str
    """A name of the configuration, or AA_CONTROL."""

    @property
    def group(self) -> str:
        """Folder of the results that are compared with it."""
        return f"{self.backend.name}/{self.workload.name}"

    @property
    def key(self) -> str:
        """Names what is timed within a session."""
        return f"{self.backend.name}/{self.variant}"


def latency_targets(variants: Iterable[str], latency: LatencySection) -> list[LatencyTarget]:
    """Every result of a run, workload by workload.

    Raises ValueError for a kind of backend that is unknown.
    """
    names = list(variants)
    timed: list[tuple[Backend, str]] = []
    for backend in configured_backends(latency):
        timed += [(backend, name) for name in names if backend.runs(name)]
        if backend.has_aa_control and REFERENCE in names:
            timed.append((backend, AA_CONTROL))
    return [
        LatencyTarget(backend, workload, name)
        for workload in latency.workloads
        for backend, name in timed
    ]

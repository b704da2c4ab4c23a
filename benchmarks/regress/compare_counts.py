"""The exact half of the gate: counts of both trees, side by side. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.regress.gate_record import CountComparison
from benchmarks.regress.worker_process import WorkerProcess

SCRIPT = "counting_worker.py"


def compare_counts(base: Path, head: Path, accept: Sequence[str] = ()) -> list[CountComparison]:
    """Every quantity that a side counts.

    Both sides run at the same time, since no clock is read. `accept`: patterns of names whose count
    may grow. Raises ValueError for a tree that cannot be counted.
    """
    with (
        WorkerProcess(SCRIPT, base, {}) as base_worker,
        WorkerProcess(SCRIPT, head, {}) as head_worker,
    ):
        workers = (base_worker, head_worker)
        base_counts, head_counts = (_by_name(worker.hello()["counts"]) for worker in workers)
    return [
        CountComparison(
            name=name,
            base=base_counts.get(name),
            head=head_counts.get(name),
            accepted=any(fnmatchcase(name, pattern) for pattern in accept),
        )
        for name in base_counts | head_counts
    ]


def _by_name(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    """CASE/PHASE/QUANTITY -> count."""
    return {
        f"{case_and_phase}/{quantity}": count
        for case_and_phase, quantities in counts.items()
        for quantity, count in quantities.items()
    }

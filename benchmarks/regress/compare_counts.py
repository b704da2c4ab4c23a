"""The exact half of the gate: counts of both trees, side by side. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.regress.gate_record import CountComparison
from benchmarks.regress.worker_process import WorkerProcess

SCRIPT = "counting_worker.py"


def compare_counts(base: Path, head: Path, accept: Sequence[str] = ()) -> list[CountComparison]:
    """Every quantity that a side counts; both run at the same time, since no clock is read.

    `accept`: patterns of names that may grow. Raises ValueError where a tree cannot be counted.
    """
    with WorkerProcess(SCRIPT, base, {}) as one, WorkerProcess(SCRIPT, head, {}) as other:
        before, after = (_flat(worker.hello()["counts"]) for worker in (one, other))
    return [
        CountComparison(
            name=name,
            base=before.get(name),
            head=after.get(name),
            accepted=any(fnmatchcase(name, pattern) for pattern in accept),
        )
        for name in before | after
    ]


def _flat(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {
        f"{case}/{quantity}": count
        for case, quantities in counts.items()
        for quantity, count in quantities.items()
    }

"""This machine: processor, cores, memory, accelerators. Imports no torch."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import psutil

from benchmarks.results.gpu_state import accelerator_names
from benchmarks.results.schema_parts import Hardware
from cqil.cli.cpu_name import cpu_name


@cache
def hardware() -> Hardware:
    """This machine; read once a process, since it does not change meanwhile."""
    return Hardware(
        cpu=cpu_name(),
        cores=usable_cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        accelerators=accelerator_names(),
        affinity=affinity(),
        smt=has_smt(),
        governor=governor(),
    )


def usable_cores() -> int:
    """Number of logical cores that this process may run on."""
    return len(affinity() or range(os.cpu_count() or 1))


def affinity() -> list[int] | None:
    """Numbers of these cores; None where the system does not report them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def has_smt() -> bool | None:
    """Whether cores run several threads at once; None where the system does not report it."""
    text = _read("/sys/devices/system/cpu/smt/active")
    return None if text is None else text == "1"


def governor() -> str | None:
    """The frequency governor of the first core; None where the system does not report it."""
    return _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None

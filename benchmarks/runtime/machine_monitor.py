"""The machine around a measurement: clocks, temperatures, CPU use of other processes. No torch.

    with MachineMonitor() as monitor:
        ...
    monitor.machine_state()

Other processes are all but this one and its children. Warnings are printed and recorded, and no
measurement is refused: only the user knows whether the machine could be quieter.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.results.gpu_state import gpu_snapshots
from benchmarks.results.hardware import affinity
from benchmarks.results.schema_parts import MachineSnapshot, MachineState

BUSY_CORES = 0.2
"""CPU cores that other processes may use without a warning."""
OBSERVE_S = 0.5
"""Seconds of observation before the rounds begin."""
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
"""Temperature sensors of CPUs, by the name of their Linux driver."""


@dataclass(frozen=True)
class CpuUsage:
    """CPU seconds used until one moment."""

    time_s: float
    """The moment, on a monotonic clock."""
    machine_s: float
    """By all processes on the cores that this one may use, with stolen time."""
    process_tree_s: float
    """By this process and its children."""
    involuntary_switches: int

    @classmethod
    def now(cls) -> CpuUsage:
        """The usage until this moment."""
        process_tree_s, switches = 0.0, 0
        for process in _process_tree():
            with suppress(psutil.Error):
                times = process.cpu_times()
                process_tree_s += times.user + times.system
                switches += process.num_ctx_switches().involuntary
        # Children that have ended are counted by their parent.
        ended = psutil.Process().cpu_times()
        process_tree_s += ended.children_user + ended.children_system
        return cls(time.monotonic(), _machine_seconds(), process_tree_s, switches)

    def others_until(self, later: CpuUsage) -> float | None:
        """CPU cores that other processes used between two moments; None where it is not known."""
        elapsed_s, machine_s = later.time_s - self.time_s, later.machine_s - self.machine_s
        if elapsed_s <= 0 or machine_s <= 0:
            return None
        others_s = machine_s - (later.process_tree_s - self.process_tree_s)
        return round(max(0.0, others_s) / elapsed_s, 3)


class MachineMonitor:
    """Observes the machine before, during and after a `with` block."""

    def __enter__(self) -> MachineMonitor:
        observed_from = CpuUsage.now()
        time.sleep(OBSERVE_S)
        self._before, self._began = take_snapshot(), CpuUsage.now()
        self._other_cores_before = observed_from.others_until(self._began)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended, self._after = CpuUsage.now(), take_snapshot()

    def machine_state(self) -> MachineState:
        """The state around a block that has ended; prints its warnings."""
        other_cores_during = self._began.others_until(self._ended)
        warnings = warnings_of(self._other_cores_before, other_cores_during, self._before)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        switches = self._ended.involuntary_switches - self._began.involuntary_switches
        return MachineState(
            before=self._before,
            after=self._after,
            other_cores_before=self._other_cores_before,
            other_cores_during=other_cores_during,
            involuntary_switches=max(0, switches),
            warnings=warnings,
        )


def warnings_of(before: float | None, during: float | None, start: MachineSnapshot) -> list[str]:
    """One line for each thing that may have disturbed the times.

    `before` and `during` are CPU cores that other processes used.
    """
    warnings = [
        f"other processes took {100 * share:.0f} % of a core {when}; times may be off"
        for share, when in ((before, "before the rounds"), (during, "during the rounds"))
        if share is not None and share > BUSY_CORES
    ]
    busy_gpus = [
        str(i) for i, gpu in enumerate(start.gpus) if (gpu.busy_percent or 0) > 100 * BUSY_CORES
    ]
    if busy_gpus:
        warnings.append(f"GPU {', '.join(busy_gpus)} was busy before the rounds; times may be off")
    return warnings


def take_snapshot() -> MachineSnapshot:
    """The machine at this moment."""
    return MachineSnapshot(
        load_average=list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        cpu_mhz=_cpu_mhz(),
        cpu_celsius=_cpu_celsius(),
        gpus=gpu_snapshots(),
    )


def _process_tree() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _machine_seconds() -> float:
    """CPU seconds of all processes on the cores that this one may use."""
    cores = psutil.cpu_times(percpu=True)
    allowed = affinity() or range(len(cores))
    # A container may list fewer cores than their numbers suggest.
    usable = [cores[number] for number in allowed if number < len(cores)] or cores
    fields = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(getattr(core, field, 0.0) for core in usable for field in fields)


def _cpu_mhz() -> float | None:
    with suppress(OSError, NotImplementedError, AttributeError):
        frequency = psutil.cpu_freq()
        return round(frequency.current, 1) if frequency else None
    return None


def _cpu_celsius() -> float | None:
    with suppress(OSError, AttributeError):
        sensors = psutil.sensors_temperatures()
        celsius = [part.current for name in CPU_SENSORS for part in sensors.get(name, [])]
        return max(celsius, default=None)
    return None

"""The machine around a measurement: clocks, heat, and what other processes took. Imports no torch.

    with Watch() as watch:
        ...
    watch.conditions()

Others are all processes but this one and its children. Warnings are printed and recorded; nothing
is refused, since only the reader knows whether the machine could be quieter.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.results.gpus import gpu_snapshots
from benchmarks.results.hardware import affinity
from benchmarks.results.schema import MachineSnapshot, MachineState

BUSY_CORES = 0.2
"""Cores' worth of CPU that others may take without a warning."""


OBSERVE_S = 0.5
"""How long to look before the rounds begin."""


CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


@dataclass(frozen=True)
class CpuUsage:
    """CPU seconds up to one moment."""

    at: float
    machine: float
    """Of all processes, on the cores that this one may use, time stolen from them included."""
    own: float
    """Of this process and its children."""
    switches: int

    @classmethod
    def now(cls) -> CpuUsage:
        own, switches = 0.0, 0
        for process in _family():
            with suppress(psutil.Error):
                times = process.cpu_times()
                own += times.user + times.system
                switches += process.num_ctx_switches().involuntary
        # Children that have ended are counted by their parent.
        ended = psutil.Process().cpu_times()
        own += ended.children_user + ended.children_system
        return cls(time.monotonic(), _machine_seconds(), own, switches)

    def others_until(self, later: CpuUsage) -> float | None:
        """Cores' worth of CPU that others took between two moments; None if not to be known."""
        elapsed, used = later.at - self.at, later.machine - self.machine
        if elapsed <= 0 or used <= 0:
            return None
        return round(max(0.0, used - (later.own - self.own)) / elapsed, 3)


class MachineMonitor:
    """Looks at the machine before, during and after a `with` block."""

    def __enter__(self) -> MachineMonitor:
        looked = CpuUsage.now()
        time.sleep(OBSERVE_S)
        self._before, self._began = take_snapshot(), CpuUsage.now()
        self._others = looked.others_until(self._began)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended, self._after = CpuUsage.now(), take_snapshot()

    def machine_state(self) -> MachineState:
        """Of the block that has ended; prints its warnings."""
        during = self._began.others_until(self._ended)
        found = warnings_of(self._others, during, self._before)
        for warning in found:
            print(f"warning: {warning}", file=sys.stderr)
        return MachineState(
            before=self._before,
            after=self._after,
            others_before=self._others,
            others_during=during,
            involuntary_switches=max(0, self._ended.switches - self._began.switches),
            warnings=found,
        )


def warnings_of(before: float | None, during: float | None, start: MachineSnapshot) -> list[str]:
    """One line for each thing that may have disturbed the times."""
    found = [
        f"other processes took {100 * share:.0f} % of a core {when}; times may be off"
        for share, when in ((before, "before the rounds"), (during, "during the rounds"))
        if share is not None and share > BUSY_CORES
    ]
    busy = [
        str(n) for n, gpu in enumerate(start.gpus) if (gpu.busy_percent or 0) > 100 * BUSY_CORES
    ]
    if busy:
        found.append(f"GPU {', '.join(busy)} was busy before the rounds; times may be off")
    return found


def take_snapshot() -> MachineSnapshot:
    """The machine now."""
    return MachineSnapshot(
        load_average=list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        cpu_mhz=_cpu_mhz(),
        cpu_celsius=_cpu_celsius(),
        gpus=gpu_snapshots(),
    )


def _family() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _machine_seconds() -> float:
    cores = psutil.cpu_times(percpu=True)
    allowed = affinity() or range(len(cores))
    # A container may number its cores otherwise than it lists them.
    picked = [cores[core] for core in allowed if core < len(cores)] or cores
    fields = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(getattr(core, field, 0.0) for core in picked for field in fields)


def _cpu_mhz() -> float | None:
    with suppress(OSError, NotImplementedError, AttributeError):
        frequency = psutil.cpu_freq()
        return round(frequency.current, 1) if frequency else None
    return None


def _cpu_celsius() -> float | None:
    with suppress(OSError, AttributeError):
        sensors = psutil.sensors_temperatures()
        found = [part.current for name in CPU_SENSORS for part in sensors.get(name, [])]
        return max(found, default=None)
    return None

"""What a measurement records of the machine around it, and when it warns."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.results.schema import GpuSnapshot, MachineSnapshot, MachineState
from benchmarks.runtime.machine_monitor import (
    CpuUsage,
    MachineMonitor,
    parse_gpu,
    take_snapshot,
    warnings_of,
)

QUIET = MachineSnapshot(load_average=None, cpu_mhz=None, cpu_celsius=None, gpus=[])
BURN = """
import sys, time
while time.process_time() < 0.3: pass
print("done", flush=True)
sys.stdin.read()
"""


def usage(at, machine, own):
    return CpuUsage(at=at, machine=machine, own=own, switches=0)


def test_others_are_what_is_left_of_the_machine():
    assert usage(0, 100, 10).others_until(usage(2, 103, 12)) == pytest.approx(0.5)
    assert usage(0, 100, 10).others_until(usage(2, 103, 13.5)) == 0
    # A machine that does not count, or no time between, tells nothing.
    assert usage(0, 100, 10).others_until(usage(2, 100, 12)) is None
    assert usage(1, 100, 10).others_until(usage(1, 103, 12)) is None


def test_own_time_is_that_of_the_process_and_of_its_children():
    before = CpuUsage.now()
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass
    alone = CpuUsage.now()
    assert alone.own - before.own >= 0.15
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        running = CpuUsage.now()
        assert running.own - alone.own >= 0.25
        child.stdin.close()
    ended = CpuUsage.now()
    assert ended.own >= running.own - 0.05


@pytest.mark.parametrize(
    ("before", "during", "expected"),
    [
        (None, None, []),
        (0.1, 0.2, []),
        (0.5, 0.0, ["other processes took 50 % of a core before the rounds; times may be off"]),
        (0.0, 1.25, ["other processes took 125 % of a core during the rounds; times may be off"]),
    ],
)
def test_a_warning_names_how_much_and_when(before, during, expected):
    assert warnings_of(before, during, QUIET) == expected


def test_a_gpu_in_use_is_a_warning():
    busy = QUIET.model_copy(update={"gpus": [parse_gpu("1,1,1,1,0"), parse_gpu("1,1,1,1,90")]})
    assert warnings_of(0, 0, busy) == ["GPU 1 was busy before the rounds; times may be off"]


def test_what_the_driver_does_not_tell_is_null():
    assert parse_gpu("1980, 2619, 71.52, 33, [N/A]") == GpuSnapshot(
        sm_mhz=1980, memory_mhz=2619, watts=71.52, celsius=33, busy_percent=None
    )


def test_a_watch_records_both_ends(capsys):
    with MachineMonitor() as watch:
        sum(range(10**6))
    found = watch.conditions()
    assert MachineState.model_validate_json(found.model_dump_json()) == found
    assert found.involuntary_switches >= 0
    assert capsys.readouterr().err.count("warning: ") == len(found.warnings)
    assert type(take_snapshot()) is MachineSnapshot

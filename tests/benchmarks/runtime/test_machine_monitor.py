"""The machine state that a measurement records, and its warnings."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.results.schema_parts import GpuSnapshot, MachineSnapshot, MachineState
from benchmarks.runtime.machine_monitor import (
    CpuUsage,
    MachineMonitor,
    take_snapshot,
    warnings_of,
)

QUIET = MachineSnapshot(load_average=None, cpu_mhz=None, cpu_celsius=None, gpus=[])
IDLE_GPU = GpuSnapshot(sm_mhz=1, memory_mhz=1, watts=1, celsius=1, busy_percent=0)
BURN = """
import sys, time
while time.process_time() < 0.3: pass
print("done", flush=True)
sys.stdin.read()
"""


def usage(time_s, machine_s, process_tree_s):
    return CpuUsage(time_s, machine_s, process_tree_s, involuntary_switches=0)


def test_others_are_what_is_left_of_the_machine():
    assert usage(0, 100, 10).others_until(usage(2, 103, 12)) == pytest.approx(0.5)
    assert usage(0, 100, 10).others_until(usage(2, 103, 13.5)) == 0
    # A machine that does not count, or no time between, tells nothing.
    assert usage(0, 100, 10).others_until(usage(2, 100, 12)) is None
    assert usage(1, 100, 10).others_until(usage(1, 103, 12)) is None


def test_time_of_the_process_and_of_its_children_is_counted():
    before = CpuUsage.now()
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass
    alone = CpuUsage.now()
    assert alone.process_tree_s - before.process_tree_s >= 0.15
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        running = CpuUsage.now()
        assert running.process_tree_s - alone.process_tree_s >= 0.25
        child.stdin.close()
    ended = CpuUsage.now()
    assert ended.process_tree_s >= running.process_tree_s - 0.05


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
    busy_gpu = IDLE_GPU.model_copy(update={"busy_percent": 90})
    snapshot = QUIET.model_copy(update={"gpus": [IDLE_GPU, busy_gpu]})
    assert warnings_of(0, 0, snapshot) == ["GPU 1 was busy before the rounds; times may be off"]


def test_a_monitor_records_both_ends(capsys):
    with MachineMonitor() as monitor:
        sum(range(10**6))
    state = monitor.machine_state()
    assert MachineState.model_validate_json(state.model_dump_json()) == state
    assert state.involuntary_switches >= 0
    assert capsys.readouterr().err.count("warning: ") == len(state.warnings)
    assert type(take_snapshot()) is MachineSnapshot

"""GPUs over NVML: what the driver reports, and what it does not."""

import sys

import pytest
from stand_in_pynvml import StandInPynvml

from benchmarks.results.gpu_state import accelerator_names, gpu_snapshots
from benchmarks.results.schema_parts import GpuSnapshot

GPU = {
    "name": "NVIDIA H200",
    "sm_mhz": 1980,
    "memory_mhz": 2619,
    "milliwatts": 71520,
    "celsius": 33,
    "busy_percent": 90,
}
SNAPSHOT = GpuSnapshot(sm_mhz=1980, memory_mhz=2619, watts=71.52, celsius=33, busy_percent=90)


@pytest.fixture
def pynvml(monkeypatch):
    """Puts a stand-in for pynvml in place."""

    def put(*gpus, **options):
        stand_in = StandInPynvml(*gpus, **options)
        monkeypatch.setitem(sys.modules, "pynvml", stand_in)
        return stand_in

    return put


def test_each_gpu_is_recorded_and_the_library_is_closed(pynvml):
    stand_in = pynvml(GPU, GPU | {"name": "NVIDIA H100", "busy_percent": 0})
    assert gpu_snapshots() == [SNAPSHOT, SNAPSHOT.model_copy(update={"busy_percent": 0})]
    assert accelerator_names() == ["NVIDIA H200, 580.65", "NVIDIA H100, 580.65"]
    assert stand_in.initialised == 0


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("sm_mhz", "sm_mhz"),
        ("memory_mhz", "memory_mhz"),
        ("milliwatts", "watts"),
        ("celsius", "celsius"),
        ("busy_percent", "busy_percent"),
    ],
)
def test_what_the_driver_does_not_report_is_null(pynvml, key, field):
    pynvml(GPU | {key: None})
    assert gpu_snapshots() == [SNAPSHOT.model_copy(update={field: None})]


def test_without_a_driver_there_is_no_gpu(pynvml):
    pynvml(GPU, has_driver=False)
    assert (gpu_snapshots(), accelerator_names()) == ([], [])


def test_without_the_library_there_is_no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert (gpu_snapshots(), accelerator_names()) == ([], [])


def test_other_errors_are_raised(pynvml):
    stand_in = pynvml(GPU)
    stand_in.nvmlDeviceGetPowerUsage = lambda gpu: 1 / 0
    with pytest.raises(ZeroDivisionError):
        gpu_snapshots()
    assert stand_in.initialised == 0

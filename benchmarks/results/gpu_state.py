"""GPUs as the NVIDIA driver reports them over NVML. Imports no torch.

Where the driver, the library or a GPU is missing, the lists are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.results.schema_parts import GpuSnapshot


def accelerator_names() -> list[str]:
    """Name and driver version of each GPU."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        driver = nvml.nvmlSystemGetDriverVersion()
        return [f"{nvml.nvmlDeviceGetName(gpu)}, {driver}" for gpu in _handles(nvml)]


def gpu_snapshots() -> list[GpuSnapshot]:
    """Clocks, power, temperature and load of each GPU at this moment."""
    with _nvml() as nvml:
        return [] if nvml is None else [_snapshot(nvml, gpu) for gpu in _handles(nvml)]


def _snapshot(nvml: Any, gpu: Any) -> GpuSnapshot:
    """One GPU; a value that its driver does not report is None."""

    def value_or_none(query: Callable[[], float]) -> float | None:
        try:
            return float(query())
        except nvml.NVMLError:
            return None

    return GpuSnapshot(
        sm_mhz=value_or_none(lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)),
        memory_mhz=value_or_none(lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM)),
        watts=value_or_none(lambda: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
        celsius=value_or_none(
            lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
        ),
        busy_percent=value_or_none(lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
    )


@contextmanager
def _nvml() -> Iterator[Any]:
    """The initialised library; None where it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # ImportError, or NVMLError, which only an imported library can name
        yield None
        return
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _handles(nvml: Any) -> list[Any]:
    return [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]

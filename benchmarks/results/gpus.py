"""What the NVIDIA driver tells of its GPUs, over NVML. Imports no torch.

Without a driver, without the library or without a GPU there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.results.schema import GpuSnapshot


def accelerator_names() -> list[str]:
    """Name and driver version of each GPU."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        driver = nvml.nvmlSystemGetDriverVersion()
        return [f"{nvml.nvmlDeviceGetName(gpu)}, {driver}" for gpu in _handles(nvml)]


def gpu_snapshots() -> list[GpuSnapshot]:
    """Clocks, power, temperature and load of each GPU now."""
    with _nvml() as nvml:
        return [] if nvml is None else [snapshot(nvml, gpu) for gpu in _handles(nvml)]


def snapshot(nvml: Any, gpu: Any) -> GpuSnapshot:
    """One GPU; a value that its driver does not offer is None."""

    def known(ask: Callable[[], float]) -> float | None:
        try:
            return float(ask())
        except nvml.NVMLError:
            return None

    return GpuSnapshot(
        sm_mhz=known(lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM)),
        memory_mhz=known(lambda: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM)),
        watts=known(lambda: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
        celsius=known(lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
        busy_percent=known(lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
    )


@contextmanager
def _nvml() -> Iterator[Any]:
    """The library, initialised; None where it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # ImportError, or NVMLError, which only the library can name
        yield None
        return
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _handles(nvml: Any) -> list[Any]:
    return [nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())]

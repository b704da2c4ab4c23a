"""A stand-in for the module pynvml, for machines without an NVIDIA driver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class StandInPynvml:
    """The functions of pynvml that the suite calls, over GPUs given as dictionaries.

    The keys of a GPU are `name` and those of VALUES; a value that is missing or None raises
    NVMLError, as it does where the driver does not report it. `has_driver` False makes nvmlInit
    raise.
    """

    class NVMLError(Exception):
        """As in pynvml."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = "sm_mhz", "memory_mhz", "celsius"
    VALUES = ("sm_mhz", "memory_mhz", "milliwatts", "celsius", "busy_percent")

    def __init__(self, *gpus: dict[str, Any], has_driver: bool = True) -> None:
        self.gpus, self.has_driver, self.initialised = gpus, has_driver, 0

    def nvmlInit(self) -> None:
        if not self.has_driver:
            raise self.NVMLError("driver not loaded")
        self.initialised += 1

    def nvmlShutdown(self) -> None:
        self.initialised -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        return self.gpus[index]

    def nvmlDeviceGetName(self, gpu: dict[str, Any]) -> str:
        return gpu["name"]

    def nvmlDeviceGetClockInfo(self, gpu: dict[str, Any], clock: str) -> int:
        return self._value(gpu, clock)

    def nvmlDeviceGetTemperature(self, gpu: dict[str, Any], sensor: str) -> int:
        return self._value(gpu, sensor)

    def nvmlDeviceGetPowerUsage(self, gpu: dict[str, Any]) -> int:
        return self._value(gpu, "milliwatts")

    def nvmlDeviceGetUtilizationRates(self, gpu: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._value(gpu, "busy_percent"))

    def _value(self, gpu: dict[str, Any], key: str) -> Any:
        if gpu.get(key) is None:
            raise self.NVMLError(f"{key}: not supported")
        return gpu[key]

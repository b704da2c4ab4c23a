"""What pytest-benchmark's files say of the machine, beyond its processor."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.results.hardware import hardware


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Processor names alone do not tell two GPUs apart."""
    machine_info["accelerators"] = hardware().accelerators
    machine_info["torch"] = torch.__version__

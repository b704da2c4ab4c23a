"""Adds accelerators and PyTorch to the machine that files of pytest-benchmark describe."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.results.hardware import hardware


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Called by pytest-benchmark; the name of the processor does not identify a GPU."""
    machine_info["accelerators"] = hardware().accelerators
    machine_info["torch"] = torch.__version__

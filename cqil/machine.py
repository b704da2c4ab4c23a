"""What this machine is. Imports no torch."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu_name() -> str:
    """The model of the processor as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

"""The name of the processor. Imports no torch."""

from __future__ import annotations

import platform
from functools import cache


@cache
def cpu_name() -> str:
    """The brand of the processor, as it names itself."""
    import cpuinfo  # slow to import, and not needed by most commands

    return cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine()

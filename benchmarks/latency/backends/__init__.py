"""Backends, which run variants while these are timed: one file each, found by `backend_kinds`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from benchmarks.config.sections import LatencySection
from benchmarks.latency.backends.backend import Backend
from cqil.errors import check_known


@cache
def backend_kinds() -> dict[str, type[Backend]]:
    """Kind, as `latency.backends` names it -> class, for every file of this folder."""
    kinds: dict[str, type[Backend]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(cls, Backend) and cls.__module__ == module.name and cls is not Backend:
                kinds[cls.kind] = cls
    return kinds


def configured_backends(latency: LatencySection) -> list[Backend]:
    """Every backend that a configuration times. Raises ValueError for an unknown kind."""
    kinds = backend_kinds()
    for kind in latency.backends:
        check_known("config: latency.backends", kind, sorted(kinds))
    return [backend for kind in latency.backends for backend in kinds[kind].configured(latency)]

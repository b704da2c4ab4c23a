"""Every method there is, found by looking into the folders that hold one file a method."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import baselines.orders
import baselines.removal
import baselines.skipping
import cqil.selection
from cqil.method import Method

_FOLDERS = (cqil.selection, baselines.removal, baselines.skipping, baselines.orders)


@cache
def methods() -> dict[str, type[Method]]:
    """Method name, as configurations write it -> class."""
    found: dict[str, type[Method]] = {}
    for folder in _FOLDERS:
        for info in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
            for _, kind in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
                if issubclass(kind, Method) and kind.__module__ == info.name:
                    found[kind.model_fields["method"].default] = kind
    return found

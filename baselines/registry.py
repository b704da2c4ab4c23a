"""All methods: files of this project's method folders, and entry points of other packages.

A package adds methods under the entry-point group `cqil.methods`; each entry point names a module
with `Method` subclasses, or one such class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

import baselines.removal
import baselines.reordering
import baselines.skipping
import cqil.selection
from cqil.methods.method import Method

ENTRY_POINTS = "cqil.methods"
_FOLDERS = (cqil.selection, baselines.removal, baselines.skipping, baselines.reordering)


@cache
def methods() -> dict[str, type[Method]]:
    """Method name, as configurations write it -> class.

    Raises ValueError where two packages bring a method of one name.
    """
    by_name: dict[str, type[Method]] = {}
    for method in (*_of_this_project(), *_of_other_packages()):
        name = method.model_fields["method"].default
        if by_name.setdefault(name, method) is not method:
            other = by_name[name].__module__
            raise ValueError(
                f"method: {name!r} is in {other} and in {method.__module__}; rename one of them"
            )
    return by_name


def _of_this_project() -> Iterator[type[Method]]:
    for folder in _FOLDERS:
        for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
            yield from _methods_in(importlib.import_module(module.name))


def _of_other_packages() -> Iterator[type[Method]]:
    for entry_point in entry_points(group=ENTRY_POINTS):
        target = entry_point.load()
        if inspect.isclass(target) and issubclass(target, Method):
            yield target
        elif inspect.ismodule(target):
            yield from _methods_in(target)
        else:
            raise ValueError(
                f"{ENTRY_POINTS}: {entry_point.value} is neither a module nor a Method; correct "
                f"the entry point {entry_point.name!r}"
            )


def _methods_in(module: ModuleType) -> Iterator[type[Method]]:
    """Methods that the module defines; those that it imports are left out."""
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if issubclass(cls, Method) and cls.__module__ == module.__name__:
            yield cls

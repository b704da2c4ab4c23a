"""The fast path: packed weights, static cache, ranks. What it must equal: `cqil.modeling`.

Names are imported when first used: layouts and predictions do without torch, gangs without models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cqil.engine.engine import Engine
    from cqil.engine.gang import Gang, RankError
    from cqil.engine.layout import Layout

__all__ = ["Engine", "Gang", "Layout", "RankError"]
_MODULES = {"Engine": "engine", "Gang": "gang", "Layout": "layout", "RankError": "gang"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"cqil.engine.{_MODULES[name]}"), name)

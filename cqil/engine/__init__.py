"""The fast path: packed weights, static cache, ranks. What it must equal: `cqil.modeling`.

Names are imported when first used: layouts and predictions do without torch, worker groups without
models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cqil.engine.engine import Engine
    from cqil.engine.options import EngineOptions
    from cqil.engine.parallel.layout import Layout
    from cqil.engine.parallel.worker_group import RankError, WorkerGroup

__all__ = ["Engine", "EngineOptions", "Layout", "RankError", "WorkerGroup"]
_MODULES = {
    "Engine": "engine",
    "EngineOptions": "options",
    "Layout": "parallel.layout",
    "RankError": "parallel.worker_group",
    "WorkerGroup": "parallel.worker_group",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"cqil.engine.{_MODULES[name]}"), name)

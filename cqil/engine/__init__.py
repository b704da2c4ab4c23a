"""The fast engine: it runs plans over packed weights and a static cache, on one or several ranks.

Here is what one step or one generation needs; subfolders hold its `layers`, `weights` and what is
`parallel`. It computes what `cqil.modeling` does. Names are imported when they are first used, so
that layouts need no torch, and worker groups no models.
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

"""The fast path: packed weights, static cache. The reference it must equal: `cqil.modeling`.

`Engine` is imported when first used, so that layouts and predictions start without torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cqil.engine.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cqil.engine.engine import Engine

    return Engine

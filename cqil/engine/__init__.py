"""The fast path: packed weights, static cache. The reference it must equal: `cqil.modeling`."""

from cqil.engine.engine import Engine

__all__ = ["Engine"]

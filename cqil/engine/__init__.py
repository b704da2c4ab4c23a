"""The fast path: packed weights, static cache, ranks. What it must equal: `cqil.modeling`."""

from cqil.engine.engine import Engine
from cqil.engine.gang import Gang, RankError
from cqil.engine.layout import Layout

__all__ = ["Engine", "Gang", "Layout", "RankError"]

"""Engines of one process hold equal packed weights once, so that many plans of a model fit.

An engine packs weights of its own; once it is loaded, what another holds already takes their place.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain
from typing import Any

from cqil.engine import Engine
from cqil.engine.ladder import opened

Held = dict[Hashable, Any]
"""What a set of layers, or the head, is packed into."""


def share(engine: Engine, held: Held) -> Engine:
    """The same engine. All that share `held` must be of one model, type and device."""
    for runner in opened(chain(engine.program.prefill, *engine.program.decode)):
        mixing, shard = runner.task.mixing, runner.task.shard
        feeding = tuple(mixing.mlps[m] for m in runner.task.mlps)
        runner.attention = held.setdefault(("attn", runner.layers, shard), runner.attention)
        runner.mlp = held.setdefault(("mlp", feeding, shard), runner.mlp)
    # A tied head is a view of the embedding, so the two stay together.
    ends, place = engine.ends, ("ends", engine.ends.place)
    both = ends.embedding_VH, ends.head_HV
    ends.embedding_VH, ends.head_HV = held.setdefault(place, both)
    return engine

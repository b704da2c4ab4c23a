"""Engines of one process hold equal packed weights once, so that many plans of a model fit.

An engine packs weights of its own. Once it is loaded, equal weights that are held already take
their place.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain
from typing import Any

from cqil.engine import Engine
from cqil.engine.layers.ladder_runner import stage_runners

SharedWeights = dict[Hashable, Any]
"""Packed weights by what they hold: kind, layers and shard."""


def share_weights(engine: Engine, shared: SharedWeights) -> Engine:
    """The same engine. All engines of one `shared` must be of one model, type and device."""
    for runner in stage_runners(chain(engine.program.prefill, *engine.program.decode)):
        dataflow, shard = runner.stage.dataflow, runner.stage.shard
        mlp_layers = tuple(dataflow.mlps[m] for m in runner.stage.mlps)
        runner.attention = shared.setdefault(("attn", runner.layers, shard), runner.attention)
        runner.mlp = shared.setdefault(("mlp", mlp_layers, shard), runner.mlp)
    # A tied LM head is a view of the embedding, so the two stay together.
    head = engine.head
    both = head.embedding_VH, head.lm_head_HV
    head.embedding_VH, head.lm_head_HV = shared.setdefault(("lm_head", head.shard), both)
    return engine

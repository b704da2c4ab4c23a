"""Engines of one process share equal packed weights, so that many plans of a model fit in memory.

An engine packs its own weights when it is loaded. Where an earlier engine has packed equal ones,
those then replace them.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain
from typing import Any

from cqil.engine import Engine
from cqil.engine.layers.ladder_runner import stage_runners

SharedWeights = dict[Hashable, Any]
"""(part, layers, shard) -> packed weights."""


def share_weights(engine: Engine, shared: SharedWeights) -> Engine:
    """Replaces the weights of an engine by those in `shared`, or adds them there; returns it.

    All engines of one `shared` must have the same model, dtype and device.
    """
    for runner in stage_runners(chain(engine.program.prefill, *engine.program.decode)):
        dataflow, shard = runner.stage.dataflow, runner.stage.shard
        mlp_layers = tuple(dataflow.mlps[m] for m in runner.stage.mlps)
        runner.attention = shared.setdefault(("attn", runner.layers, shard), runner.attention)
        runner.mlp = shared.setdefault(("mlp", mlp_layers, shard), runner.mlp)
    # A tied LM head is a view of the embedding, so the two stay together.
    head = engine.head
    tensors = head.embedding_VH, head.lm_head_HV
    head.embedding_VH, head.lm_head_HV = shared.setdefault(("lm_head", head.shard), tensors)
    return engine

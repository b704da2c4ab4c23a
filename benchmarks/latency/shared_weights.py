"""Engines of one process share equal packed weights, so that many plans of a model fit in memory.

An engine packs its own weights when it is loaded. Where an earlier engine has packed equal ones,
those then replace them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import chain
from typing import Any

from cqil.edits.edited_weights import edited_layers
from cqil.edits.weight_edit import Edits
from cqil.engine import Engine
from cqil.engine.layers.ladder_runner import stage_runners

SharedWeights = dict[Hashable, Any]
"""(part, layers, shard, edits of these layers) -> packed weights."""


def share_weights(engine: Engine, edits: Edits, shared: SharedWeights) -> Engine:
    """Replaces the weights of an engine by those in `shared`, or adds them there; returns it.

    All engines of one `shared` must have the same model, dtype and device; `edits`: those that this
    one was loaded with.
    """
    edited = edited_layers(edits)
    for runner in stage_runners(chain(engine.program.prefill, *engine.program.decode)):
        dataflow, shard = runner.stage.dataflow, runner.stage.shard
        mlp_layers = tuple(dataflow.mlps[m] for m in runner.stage.mlps)
        attention_key = ("attn", runner.layers, shard, _of_layers(edits, edited, runner.layers))
        mlp_key = ("mlp", mlp_layers, shard, _of_layers(edits, edited, mlp_layers))
        runner.attention = shared.setdefault(attention_key, runner.attention)
        runner.mlp = shared.setdefault(mlp_key, runner.mlp)
    # A tied LM head is a view of the embedding, so the two stay together.
    head = engine.head
    tensors = head.embedding_VH, head.lm_head_HV
    head.embedding_VH, head.lm_head_HV = shared.setdefault(("lm_head", head.shard), tensors)
    return engine


def _of_layers(edits: Edits, edited: frozenset[int], layers: Iterable[int]) -> Edits:
    """The edits if they change any of the layers; layers that none changes are everybody's."""
    return () if edited.isdisjoint(layers) else edits

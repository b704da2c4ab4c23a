"""What one rank runs: its stages of each plan, with their packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from transformers import LlamaConfig

from cqil.checkpoint.tensor_reader import TensorReader
from cqil.engine.layers.kv_cache import Layers
from cqil.engine.layers.ladder_runner import LadderRunner, LayerRunner, stage_runners
from cqil.engine.layers.stage_runner import StageRunner
from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.communicator import Communicator
from cqil.engine.parallel.layout import Layout, Shard
from cqil.engine.parallel.rank_assignment import RankStage, stages_of_rank
from cqil.engine.weights.packed_weights import (
    AttentionWeights,
    MlpWeights,
    pack_attention,
    pack_mlp,
)
from cqil.plan import LayerPlan


@dataclass(frozen=True)
class RankProgram:
    """One rank's stages for the prompt, and for decoding under each plan of a schedule."""

    prefill: list[LayerRunner]
    decode: list[list[LayerRunner]]
    cached_heads: dict[int, int]
    """Layer -> number of key-value heads in this rank's cache; layers that decode come first."""
    head_dim: int
    weight_bytes: int
    """Bytes of all packed weights."""

    def step_bytes(self, plan: int) -> int:
        """Bytes of weights that a decode step of the schedule's plan of that index reads."""
        return sum(
            weights_nbytes(runner.attention) + weights_nbytes(runner.mlp)
            for runner in stage_runners(self.decode[plan])
        )


def weights_nbytes(weights: AttentionWeights | MlpWeights | None) -> int:
    """Bytes of all tensors of packed weights; 0 for None."""
    tensors = [] if weights is None else vars(weights).values()
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


@dataclass
class WeightPacker:
    """Packs each set of layers once, however many stages and plans use it."""

    config: LlamaConfig
    read: TensorReader
    communicator: Communicator
    like: torch.Tensor
    """A tensor of the weights' dtype and device."""
    attention: dict[tuple[Layers, Shard], AttentionWeights] = field(default_factory=dict)
    mlp: dict[tuple[Layers, Shard], MlpWeights] = field(default_factory=dict)

    def program(self, plans: Sequence[LayerPlan], layout: Layout, rank: int) -> RankProgram:
        """All stages of a rank, packed.

        Raises ValueError for weights that are missing or not finite, and for too many shards.
        """
        prompt, decoding = stages_of_rank(plans, layout, rank)
        decode = [self._layer_runners(stages) for stages in decoding]
        prefill = self._layer_runners(prompt)
        cached_heads: dict[int, int] = {}
        for runner in sorted(stage_runners(decode[0]), key=lambda runner: runner.layers):
            cached_heads |= dict.fromkeys(runner.layers, len(runner.heads.kv_heads))
        for runner in stage_runners(prefill):
            for layer in runner.layers:
                cached_heads.setdefault(layer, len(runner.heads.kv_heads))
        packed: list[AttentionWeights | MlpWeights] = [
            *self.attention.values(),
            *self.mlp.values(),
        ]
        weight_bytes = sum(weights_nbytes(weights) for weights in packed)
        return RankProgram(prefill, decode, cached_heads, self.head_dim, weight_bytes)

    @property
    def head_dim(self) -> int:
        """Size of one attention head."""
        assert self.config.head_dim is not None
        return self.config.head_dim

    def _layer_runners(self, stages: Sequence[RankStage | None]) -> list[LayerRunner]:
        """A runner for each stage of this rank; stages of a ladder share one."""
        single_stages = [self._stage_runner(stage) for stage in stages if stage is not None]
        runners: list[LayerRunner] = []
        for in_ladder, group in groupby(single_stages, lambda runner: runner.stage.ladder):
            neighbors = list(group)
            runners += [LadderRunner(neighbors, self.communicator)] if in_ladder else neighbors
        return runners

    def _stage_runner(self, stage: RankStage) -> StageRunner:
        config, dataflow = self.config, stage.dataflow
        kv_heads = config.num_key_value_heads
        assert kv_heads is not None
        heads = AttentionHeads.of(stage.shard, config.num_attention_heads, kv_heads, self.head_dim)
        return StageRunner(
            stage,
            self._attention(tuple(dataflow.attentions[a] for a in stage.attentions), stage, heads),
            self._mlp(tuple(dataflow.mlps[m] for m in stage.mlps), stage.shard),
            heads,
            config.rms_norm_eps,
            self.communicator,
            self.like,
        )

    def _attention(
        self, layers: Layers, stage: RankStage, heads: AttentionHeads
    ) -> AttentionWeights | None:
        key = layers, stage.shard
        if layers and key not in self.attention:
            first = stage.shard.index == 0
            self.attention[key] = pack_attention(layers, heads, first, self.read)
        return self.attention.get(key)

    def _mlp(self, layers: Layers, shard: Shard) -> MlpWeights | None:
        if layers and (layers, shard) not in self.mlp:
            hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
            self.mlp[layers, shard] = pack_mlp(layers, shard, hidden, intermediate, self.read)
        return self.mlp.get((layers, shard))

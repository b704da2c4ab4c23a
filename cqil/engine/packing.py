"""From plans to what a rank runs: its tasks, each with its packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from transformers import LlamaConfig

from cqil.engine.heads import Heads
from cqil.engine.ladder import Ladder, Runner, opened
from cqil.engine.layout import Layout, Shard, Task, own_tasks
from cqil.engine.links import Links
from cqil.engine.stage import StageRunner
from cqil.engine.weights import AttentionWeights, MlpWeights, Read, pack_attention, pack_mlp
from cqil.plan import LayerPlan


@dataclass(frozen=True)
class Program:
    """One rank's stages for the prompt, and for decoding under each plan of a schedule."""

    prefill: list[Runner]
    decode: list[list[Runner]]
    cached_heads: dict[int, int]
    """Layer -> key-value heads that the cache holds here; layers that decode come first."""
    head_size: int
    weight_bytes: int

    @property
    def step_bytes(self) -> int:
        """Weights that a decode step of the first plan reads."""
        runners = opened(self.decode[0])
        return sum(size_of(runner.attention) + size_of(runner.mlp) for runner in runners)


def size_of(weights: AttentionWeights | MlpWeights | None) -> int:
    """Bytes."""
    tensors = [] if weights is None else vars(weights).values()
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


@dataclass
class Packer:
    """Packs each set of layers once, however many stages and plans use it."""

    config: LlamaConfig
    read: Read
    links: Links
    like: torch.Tensor
    packed: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def program(self, plans: Sequence[LayerPlan], layout: Layout, rank: int) -> Program:
        """Raises ValueError for weights that are missing or damaged, and too many shards."""
        prompt, decoding = own_tasks(plans, layout, rank)
        decode = [self._runners(tasks) for tasks in decoding]
        prefill = self._runners(prompt)
        cached: dict[int, int] = {}
        for runner in sorted(opened(decode[0]), key=lambda r: r.layers):
            cached |= dict.fromkeys(runner.layers, len(runner.heads.keys))
        for runner in opened(prefill):
            for layer in runner.layers:
                cached.setdefault(layer, len(runner.heads.keys))
        return Program(prefill, decode, cached, self.head_size, self._bytes())

    @property
    def head_size(self) -> int:
        assert self.config.head_dim is not None
        return self.config.head_dim

    def _runners(self, tasks: Sequence[Task | None]) -> list[Runner]:
        own = [self._runner(task) for task in tasks if task is not None]
        runners: list[Runner] = []
        for ladder, run in groupby(own, lambda runner: runner.task.ladder):
            stages = list(run)
            runners += [Ladder(stages, self.links)] if ladder else stages
        return runners

    def _runner(self, task: Task) -> StageRunner:
        config, mixing = self.config, task.mixing
        keys = config.num_key_value_heads
        assert keys is not None
        heads = Heads.of(task.shard, config.num_attention_heads, keys, self.head_size)
        attending = tuple(mixing.attentions[a] for a in task.attentions)
        feeding = tuple(mixing.mlps[m] for m in task.mlps)
        first, shard = task.shard.index == 0, task.shard
        widths = config.hidden_size, config.intermediate_size
        return StageRunner(
            task,
            self._once(("attn", attending, shard), pack_attention, attending, heads, first),
            self._once(("mlp", feeding, shard), pack_mlp, feeding, shard, *widths),
            heads,
            config.rms_norm_eps,
            self.links,
            self.like,
        )

    def _once(self, key: tuple[str, tuple[int, ...], Shard], pack: Any, *arguments: Any) -> Any:
        if not key[1]:
            return None
        if key not in self.packed:
            self.packed[key] = pack(*arguments, self.read)
        return self.packed[key]

    def _bytes(self) -> int:
        return sum(map(size_of, self.packed.values()))

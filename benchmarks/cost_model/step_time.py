"""How long a step should take: reading weights, launching products, messages, and the head.

    T = sum over stages of (slowest rank's reading + launches) + messages + head

A rank reads what `own_tasks` gives it, and sends what the engine's ledger predicts, so the model
cannot drift from what the engine does. Reading is a roofline: weights and cache over bandwidth, or
multiply-adds over the rate of products, whichever is longer. Messages cost alpha + beta x bytes
each and overlap with nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Literal, NamedTuple

from benchmarks.cost_model.machine import Machine, RankRate
from benchmarks.cost_model.model_shapes import ModelShape
from cqil.engine.parallel.communication_ledger import CommunicationLedger, MessageSizes
from cqil.engine.parallel.communication_ledger import predict_communication as predict_messages
from cqil.engine.parallel.layout import ONE_DEVICE, Layout, Shard
from cqil.engine.parallel.rank_stages import RankStage, stages_of_rank
from cqil.plan import LayerPlan

Phase = Literal["prefill", "decode"]


@dataclass(frozen=True, kw_only=True)
class StepWorkload:
    """What is run: the prompt of `context` tokens, or one token after it."""

    phase: Phase = "decode"
    batch: int = 1
    context: int = 128
    """Tokens of the prompt, and in the cache when a token is decoded."""
    itemsize: int = 2
    """Bytes of a number; weights, cache and messages are of one type."""
    whole_head: bool = False
    """Every rank computes all logits, as systems do that shard the layers alone."""

    @property
    def tokens(self) -> int:
        """Of each sequence, that run through the layers."""
        return self.context if self.phase == "prefill" else 1


ONE_TOKEN = StepWorkload()
"""One decoded token in 16 bits after a short prompt."""


@dataclass(frozen=True)
class Prediction:
    """Seconds of one step, by where they go."""

    layers_s: float
    launches_s: float
    communication_s: float
    head_s: float
    ledger: CommunicationLedger
    """Of the rank whose messages cost most."""

    @property
    def total_s(self) -> float:
        return self.layers_s + self.launches_s + self.communication_s + self.head_s

    @property
    def without_communication_s(self) -> float:
        """The bound: as if messages were free."""
        return self.total_s - self.communication_s

    @property
    def overlapped_s(self) -> float:
        """As if every message ran beside the layers, as in Ladder-Residual (arXiv 2501.06589)."""
        return max(self.layers_s + self.launches_s, self.communication_s) + self.head_s


def predict_step(
    plan: LayerPlan,
    layout: Layout,
    shape: ModelShape,
    machine: Machine,
    work: StepWorkload = ONE_TOKEN,
) -> Prediction:
    """Raises ValueError for a plan of another depth, a layout that cannot run it, and ranks that
    the machine has no figures for."""
    plan.check_depth(shape.layers)
    layers_s = launches_s = 0.0
    for busy, times in _busy(plan, layout, work.phase):
        rate = machine.rate(layout.world_size, busy.ranks)
        layers_s += times * max(_stage_s(stage, shape, work, rate) for stage in busy.loads)
        launches_s += times * rate.stage_s * max(map(_launches, busy.loads))
    communication_s, ledger = _messages(plan, layout, shape, machine, work)
    head_s = _head_s(layout, shape, machine, work)
    return Prediction(layers_s, launches_s, communication_s, head_s, ledger)


def dense_s(shape: ModelShape, machine: Machine, work: StepWorkload = ONE_TOKEN) -> float:
    """Seconds of a step of the dense model on one device."""
    stages = tuple((layer,) for layer in range(shape.layers))
    plan = LayerPlan(num_layers=shape.layers, groups=stages)
    return predict_step(plan, ONE_DEVICE, shape, machine, work).total_s


def step_bytes(
    plan: LayerPlan, layout: Layout, rank: int, shape: ModelShape, work: StepWorkload
) -> int:
    """What a rank reads in a decode step: weights, head, and the cache so far."""
    _, (stages,) = stages_of_rank([plan], layout, rank)
    held = sum(_numbers(_load(stage), shape, work) for stage in stages if stage is not None)
    head = layout.lm_head_shard(rank)
    return work.itemsize * (held + (0 if head is None else shape.head(head[0])))


class _Load(NamedTuple):
    """What a rank reads and multiplies in a stage."""

    attentions: int
    mlps: int
    shard: Shard


class _Busy(NamedTuple):
    """A stage: how many ranks work, and what on."""

    ranks: int
    loads: frozenset[_Load]


@lru_cache(maxsize=512)
def _busy(plan: LayerPlan, layout: Layout, phase: Phase) -> tuple[tuple[_Busy, int], ...]:
    """Every kind of stage, and how many there are of it."""
    of_ranks = [stages_of_rank([plan], layout, rank) for rank in range(layout.world_size)]
    stages = [prompt if phase == "prefill" else decode for prompt, (decode,) in of_ranks]
    found: Counter[_Busy] = Counter()
    for stage in zip(*stages, strict=True):
        busy = [stage for stage in stage if stage is not None]
        found[_Busy(len(busy), frozenset(map(_load, busy)))] += 1
    return tuple(found.items())


def _load(stage: RankStage) -> _Load:
    return _Load(len(stage.attentions), len(stage.mlps), stage.shard)


def _stage_s(stage: _Load, shape: ModelShape, work: StepWorkload, rate: RankRate) -> float:
    reading = work.itemsize * _numbers(stage, shape, work)
    return max(reading / rate.bytes_per_s, 2 * _products(stage, shape, work) / rate.flops_per_s)


def _numbers(stage: _Load, shape: ModelShape, work: StepWorkload) -> int:
    """Weights, and the cache of the sequences; a prompt fills it and reads what is in it."""
    cache = work.batch * work.context * shape.cache_elements(stage.shard)
    attention = shape.attention(stage.shard) + cache
    return stage.attentions * attention + stage.mlps * shape.mlp(stage.shard)


def _products(stage: _Load, shape: ModelShape, work: StepWorkload) -> float:
    """Multiply-adds; a token of the prompt attends to half of it on average."""
    seen = work.context / 2 if work.phase == "prefill" else work.context
    attention = shape.attention(stage.shard) + seen * shape.score_products(stage.shard)
    each = stage.attentions * attention + stage.mlps * shape.mlp(stage.shard)
    return work.batch * work.tokens * each


def _launches(stage: _Load) -> float:
    """Layers' worth of launches: a stage of several layers runs fused, as one."""
    return ((stage.attentions > 0) + (stage.mlps > 0)) / 2


def _messages(
    plan: LayerPlan, layout: Layout, shape: ModelShape, machine: Machine, work: StepWorkload
) -> tuple[float, CommunicationLedger]:
    """Seconds of the rank whose messages cost most, and its messages."""
    if layout.world_size == 1:
        return 0.0, CommunicationLedger()
    # All ranks of a lane send alike.
    ranks = [layout.tensor_parallel_ranks(group)[0] for group in range(layout.group_parallel_size)]
    sizes = MessageSizes(hidden=shape.hidden, vocabulary=shape.vocabulary, itemsize=work.itemsize)
    ledgers = [_ledger(plan, layout, rank, sizes, work) for rank in ranks]
    return max(((cost_of(ledger, machine), ledger) for ledger in ledgers), key=itemgetter(0))


@lru_cache(maxsize=512)
def _ledger(
    plan: LayerPlan, layout: Layout, rank: int, sizes: MessageSizes, work: StepWorkload
) -> CommunicationLedger:
    both = predict_messages(plan, layout, rank, sizes, batch=work.batch, prompt=work.context)
    ledger = both[work.phase == "decode"]
    return _without_gathers(ledger) if work.whole_head else ledger


def cost_of(ledger: CommunicationLedger, machine: Machine) -> float:
    """Seconds of all messages of a rank, one after another."""
    return sum(
        count * machine.link(entry.kind, entry.ranks).seconds(entry.size)
        for entry, count in ledger.entries.items()
    )


def _without_gathers(ledger: CommunicationLedger) -> CommunicationLedger:
    kept = CommunicationLedger()
    for entry, count in ledger.entries.items():
        if entry.kind != "all_gather":
            kept.entries[entry] = count
    return kept


def _head_s(layout: Layout, shape: ModelShape, machine: Machine, work: StepWorkload) -> float:
    places = [layout.lm_head_shard(rank) for rank in range(layout.world_size)]
    shards = [Shard() if work.whole_head else place[0] for place in places if place is not None]
    rate = machine.rate(layout.world_size, len(shards))
    numbers = max(map(shape.head, shards))
    reading, products = work.itemsize * numbers, 2 * work.batch * numbers
    return max(reading / rate.bytes_per_s, products / rate.flops_per_s)

"""How long a step should take: reading weights, launching kernels, messages, and the LM head.

    T = sum over stages of (slowest rank's reading + launches) + messages + LM head

A rank reads the stages of `stages_of_rank` and sends what `predict_communication` counts, as the
engine does, so the model cannot drift from the engine. Reading is a roofline: bytes of weights and
cache over bandwidth, or floating-point operations over their rate, whichever takes longer. Messages
cost alpha + beta x bytes each and overlap with nothing. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.rates import RankRate
from benchmarks.cost_model.step_workload import ONE_TOKEN, Phase, StepWorkload
from cqil.engine.parallel.communication_ledger import (
    CommunicationLedger,
    MessageSizes,
    predict_communication,
)
from cqil.engine.parallel.layout import ONE_DEVICE, Layout, Shard
from cqil.engine.parallel.rank_assignment import RankStage, stages_of_rank
from cqil.plan import LayerPlan, dense_plan


@dataclass(frozen=True)
class Prediction:
    """Seconds of one step, by what they are spent on."""

    layers_s: float
    launches_s: float
    communication_s: float
    head_s: float
    ledger: CommunicationLedger
    """Messages of the rank whose messages cost most."""

    @property
    def total_s(self) -> float:
        """Seconds where nothing overlaps."""
        return self.layers_s + self.launches_s + self.communication_s + self.head_s

    @property
    def without_communication_s(self) -> float:
        """Seconds if messages were free: the bound."""
        return self.total_s - self.communication_s

    @property
    def overlapped_s(self) -> float:
        """Seconds if messages ran beside the layers, as in Ladder-Residual (arXiv 2501.06589)."""
        return max(self.layers_s + self.launches_s, self.communication_s) + self.head_s


def predict_step(
    plan: LayerPlan,
    layout: Layout,
    shape: ModelShape,
    machine: Machine,
    work: StepWorkload = ONE_TOKEN,
) -> Prediction:
    """The time of one step.

    Raises ValueError for a plan of another number of layers, a layout that cannot run the plan, and
    a number of ranks that the machine was not measured with.
    """
    plan.check_depth(shape.layers)
    layers_s = launches_s = 0.0
    for stage, count in _stage_loads(plan, layout, work.phase):
        rate = machine.rate(layout.world_size, stage.active_ranks)
        layers_s += count * max(_load_s(load, shape, work, rate) for load in stage.loads)
        launches_s += count * rate.stage_s * max(map(_launches, stage.loads))
    communication_s, ledger = _communication(plan, layout, shape, machine, work)
    head_s = _head_s(layout, shape, machine, work)
    return Prediction(layers_s, launches_s, communication_s, head_s, ledger)


def dense_s(shape: ModelShape, machine: Machine, work: StepWorkload = ONE_TOKEN) -> float:
    """Seconds of a step of the dense model on one device."""
    return predict_step(dense_plan(shape.layers), ONE_DEVICE, shape, machine, work).total_s


def step_bytes(
    plan: LayerPlan, layout: Layout, rank: int, shape: ModelShape, work: StepWorkload
) -> int:
    """Bytes that a rank reads in a decode step: weights, LM head, and the cache."""
    _, (stages,) = stages_of_rank([plan], layout, rank)
    loads = [_rank_load(stage) for stage in stages if stage is not None]
    head_shard = _head_shard(layout, rank, work)
    head_elements = 0 if head_shard is None else shape.lm_head_elements(head_shard)
    return work.itemsize * (sum(_elements(load, shape, work) for load in loads) + head_elements)


class _RankLoad(NamedTuple):
    """What one rank reads and multiplies in a stage."""

    attentions: int
    mlps: int
    shard: Shard


class _StageLoads(NamedTuple):
    """How many ranks work in a stage, and their distinct loads."""

    active_ranks: int
    loads: frozenset[_RankLoad]


@lru_cache(maxsize=512)
def _stage_loads(
    plan: LayerPlan, layout: Layout, phase: Phase
) -> tuple[tuple[_StageLoads, int], ...]:
    """Distinct stages, and how often each occurs."""
    of_ranks = [stages_of_rank([plan], layout, rank) for rank in range(layout.world_size)]
    stages = [prompt if phase == "prefill" else decode for prompt, (decode,) in of_ranks]
    counts: Counter[_StageLoads] = Counter()
    for rank_stages in zip(*stages, strict=True):
        loads = [_rank_load(stage) for stage in rank_stages if stage is not None]
        counts[_StageLoads(len(loads), frozenset(loads))] += 1
    return tuple(counts.items())


def _rank_load(stage: RankStage) -> _RankLoad:
    return _RankLoad(len(stage.attentions), len(stage.mlps), stage.shard)


def _load_s(load: _RankLoad, shape: ModelShape, work: StepWorkload, rate: RankRate) -> float:
    bytes_read = work.itemsize * _elements(load, shape, work)
    flops = 2 * _multiply_adds(load, shape, work)
    return max(bytes_read / rate.bytes_per_s, flops / rate.flops_per_s)


def _elements(load: _RankLoad, shape: ModelShape, work: StepWorkload) -> int:
    """Elements of weights and of the whole cache; a prompt fills the cache while it is read."""
    cache = work.batch * work.context * shape.cache_elements(load.shard)
    attention = shape.attention_elements(load.shard) + cache
    return load.attentions * attention + load.mlps * shape.mlp_elements(load.shard)


def _multiply_adds(load: _RankLoad, shape: ModelShape, work: StepWorkload) -> float:
    """Multiply-adds; a token of the prompt attends to half of the prompt on average."""
    attended = work.context / 2 if work.phase == "prefill" else work.context
    scores = attended * shape.score_multiply_adds(load.shard)
    attention = shape.attention_elements(load.shard) + scores
    per_token = load.attentions * attention + load.mlps * shape.mlp_elements(load.shard)
    return work.batch * work.tokens * per_token


def _launches(load: _RankLoad) -> float:
    """Launches in units of one layer's; a stage of several layers runs fused, as one layer."""
    return ((load.attentions > 0) + (load.mlps > 0)) / 2


def _communication(
    plan: LayerPlan, layout: Layout, shape: ModelShape, machine: Machine, work: StepWorkload
) -> tuple[float, CommunicationLedger]:
    """Seconds of the rank whose messages cost most, and its messages."""
    if layout.world_size == 1:
        return 0.0, CommunicationLedger()
    # Ranks that share their layers send equal messages.
    ranks = [layout.tensor_parallel_ranks(group)[0] for group in range(layout.group_parallel_size)]
    sizes = MessageSizes(hidden=shape.hidden, vocabulary=shape.vocabulary, itemsize=work.itemsize)
    ledgers = [_ledger(plan, layout, rank, sizes, work) for rank in ranks]
    return max(((_messages_s(ledger, machine), ledger) for ledger in ledgers), key=itemgetter(0))


@lru_cache(maxsize=512)
def _ledger(
    plan: LayerPlan, layout: Layout, rank: int, sizes: MessageSizes, work: StepWorkload
) -> CommunicationLedger:
    prefill, decode = predict_communication(
        plan, layout, rank, sizes, batch=work.batch, prompt=work.context
    )
    ledger = decode if work.phase == "decode" else prefill
    return _without_gathers(ledger) if work.whole_head else ledger


def _messages_s(ledger: CommunicationLedger, machine: Machine) -> float:
    """Seconds of all messages of a rank, one after another."""
    return sum(
        count * machine.link(entry.kind, entry.ranks).seconds(entry.size)
        for entry, count in ledger.entries.items()
    )


def _without_gathers(ledger: CommunicationLedger) -> CommunicationLedger:
    """The messages of a rank that computes all logits, which are never gathered then."""
    entries = {e: count for e, count in ledger.entries.items() if e.kind != "all_gather"}
    return CommunicationLedger(Counter(entries))


def _head_shard(layout: Layout, rank: int, work: StepWorkload) -> Shard | None:
    """The rank's piece of the LM head; None where it computes no logits."""
    shard_and_ranks = layout.lm_head_shard(rank)
    if shard_and_ranks is None:
        return None
    return Shard() if work.whole_head else shard_and_ranks[0]


def _head_s(layout: Layout, shape: ModelShape, machine: Machine, work: StepWorkload) -> float:
    shards = [_head_shard(layout, rank, work) for rank in range(layout.world_size)]
    elements = [shape.lm_head_elements(shard) for shard in shards if shard is not None]
    rate = machine.rate(layout.world_size, len(elements))
    bytes_read, flops = work.itemsize * max(elements), 2 * work.batch * max(elements)
    return max(bytes_read / rate.bytes_per_s, flops / rate.flops_per_s)

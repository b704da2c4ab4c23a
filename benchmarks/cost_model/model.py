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

from benchmarks.cost_model.machine import Machine, Rate
from benchmarks.cost_model.shapes import Shape
from cqil.engine.layout import ONE_DEVICE, Layout, Shard, Task, own_tasks
from cqil.engine.ledger import Ledger, Sizes
from cqil.engine.ledger import predict as predict_messages
from cqil.plan import LayerPlan

Phase = Literal["prefill", "decode"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is run: the prompt of `context` tokens, or one token after it."""

    phase: Phase = "decode"
    batch: int = 1
    context: int = 128
    """Tokens of the prompt, and in the cache when a token is decoded."""
    item: int = 2
    """Bytes of a number; weights, cache and messages are of one type."""
    whole_head: bool = False
    """Every rank computes all logits, as systems do that shard the layers alone."""

    @property
    def tokens(self) -> int:
        """Of each sequence, that run through the layers."""
        return self.context if self.phase == "prefill" else 1


TOKEN = Work()
"""One decoded token in 16 bits after a short prompt."""


@dataclass(frozen=True)
class Prediction:
    """Seconds of one step, by where they go."""

    layers_s: float
    launches_s: float
    messages_s: float
    head_s: float
    ledger: Ledger
    """Of the rank whose messages cost most."""

    @property
    def total_s(self) -> float:
        return self.layers_s + self.launches_s + self.messages_s + self.head_s

    @property
    def silent_s(self) -> float:
        """The bound: as if messages were free."""
        return self.total_s - self.messages_s

    @property
    def overlapped_s(self) -> float:
        """As if every message ran beside the layers, as in Ladder-Residual (arXiv 2501.06589)."""
        return max(self.layers_s + self.launches_s, self.messages_s) + self.head_s


def predict(
    plan: LayerPlan, layout: Layout, shape: Shape, machine: Machine, work: Work = TOKEN
) -> Prediction:
    """Raises ValueError for a plan of another depth, a layout that cannot run it, and ranks that
    the machine has no figures for."""
    plan.check_depth(shape.layers)
    layers_s = launches_s = 0.0
    for busy, times in _busy(plan, layout, work.phase):
        rate = machine.rate(layout.world, busy.ranks)
        layers_s += times * max(_stage_s(task, shape, work, rate) for task in busy.loads)
        launches_s += times * rate.stage_s * max(map(_launches, busy.loads))
    messages_s, ledger = _messages(plan, layout, shape, machine, work)
    head_s = _head_s(layout, shape, machine, work)
    return Prediction(layers_s, launches_s, messages_s, head_s, ledger)


def dense_s(shape: Shape, machine: Machine, work: Work = TOKEN) -> float:
    """Seconds of a step of the dense model on one device."""
    stages = tuple((layer,) for layer in range(shape.layers))
    plan = LayerPlan(num_layers=shape.layers, groups=stages)
    return predict(plan, ONE_DEVICE, shape, machine, work).total_s


def step_bytes(plan: LayerPlan, layout: Layout, rank: int, shape: Shape, work: Work) -> int:
    """What a rank reads in a decode step: weights, head, and the cache so far."""
    _, (tasks,) = own_tasks([plan], layout, rank)
    held = sum(_numbers(_load(task), shape, work) for task in tasks if task is not None)
    head = layout.head(rank)
    return work.item * (held + (0 if head is None else shape.head(head[0])))


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
    of_ranks = [own_tasks([plan], layout, rank) for rank in range(layout.world)]
    tasks = [prompt if phase == "prefill" else decode for prompt, (decode,) in of_ranks]
    found: Counter[_Busy] = Counter()
    for stage in zip(*tasks, strict=True):
        busy = [task for task in stage if task is not None]
        found[_Busy(len(busy), frozenset(map(_load, busy)))] += 1
    return tuple(found.items())


def _load(task: Task) -> _Load:
    return _Load(len(task.attentions), len(task.mlps), task.shard)


def _stage_s(task: _Load, shape: Shape, work: Work, rate: Rate) -> float:
    reading = work.item * _numbers(task, shape, work)
    return max(reading / rate.bytes_per_s, 2 * _products(task, shape, work) / rate.flops_per_s)


def _numbers(task: _Load, shape: Shape, work: Work) -> int:
    """Weights, and the cache of the sequences; a prompt fills it and reads what is in it."""
    cache = work.batch * work.context * shape.cached(task.shard)
    attention = shape.attention(task.shard) + cache
    return task.attentions * attention + task.mlps * shape.mlp(task.shard)


def _products(task: _Load, shape: Shape, work: Work) -> float:
    """Multiply-adds; a token of the prompt attends to half of it on average."""
    seen = work.context / 2 if work.phase == "prefill" else work.context
    attention = shape.attention(task.shard) + seen * shape.scores(task.shard)
    each = task.attentions * attention + task.mlps * shape.mlp(task.shard)
    return work.batch * work.tokens * each


def _launches(task: _Load) -> float:
    """Layers' worth of launches: a stage of several layers runs fused, as one."""
    return ((task.attentions > 0) + (task.mlps > 0)) / 2


def _messages(
    plan: LayerPlan, layout: Layout, shape: Shape, machine: Machine, work: Work
) -> tuple[float, Ledger]:
    """Seconds of the rank whose messages cost most, and its messages."""
    if layout.world == 1:
        return 0.0, Ledger()
    # All ranks of a lane send alike.
    ranks = [layout.lane_ranks(lane)[0] for lane in range(layout.lanes)]
    sizes = Sizes(hidden=shape.hidden, vocabulary=shape.vocabulary, item=work.item)
    ledgers = [_ledger(plan, layout, rank, sizes, work) for rank in ranks]
    return max(((cost_of(ledger, machine), ledger) for ledger in ledgers), key=itemgetter(0))


@lru_cache(maxsize=512)
def _ledger(plan: LayerPlan, layout: Layout, rank: int, sizes: Sizes, work: Work) -> Ledger:
    both = predict_messages(plan, layout, rank, sizes, batch=work.batch, prompt=work.context)
    ledger = both[work.phase == "decode"]
    return _without_gathers(ledger) if work.whole_head else ledger


def cost_of(ledger: Ledger, machine: Machine) -> float:
    """Seconds of all messages of a rank, one after another."""
    return sum(
        count * machine.link(entry.kind, entry.ranks).seconds(entry.size)
        for entry, count in ledger.entries.items()
    )


def _without_gathers(ledger: Ledger) -> Ledger:
    kept = Ledger()
    for entry, count in ledger.entries.items():
        if entry.kind != "all_gather":
            kept.entries[entry] = count
    return kept


def _head_s(layout: Layout, shape: Shape, machine: Machine, work: Work) -> float:
    places = [layout.head(rank) for rank in range(layout.world)]
    shards = [Shard() if work.whole_head else place[0] for place in places if place is not None]
    rate = machine.rate(layout.world, len(shards))
    numbers = max(map(shape.head, shards))
    reading, products = work.item * numbers, 2 * work.batch * numbers
    return max(reading / rate.bytes_per_s, products / rate.flops_per_s)

"""The communication ledger: messages and bytes of one rank, counted and predicted.

Imports no torch. Counting happens where messages leave (`links.py`); the prediction knows only the
plan, the layout and the model's sizes. Tests hold the two equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cqil.engine.layout import Layout, Ranks, Task, own_tasks
from cqil.plan import LayerPlan

Kind = Literal["all_reduce", "broadcast", "all_gather", "send", "receive"]


class Entry(NamedTuple):
    """A message of `size` bytes that leaves this rank's tensor, or fills it."""

    kind: Kind
    ranks: int
    """How many ranks it joins; 2 for a message from one to another."""
    size: int


@dataclass
class Ledger:
    """How often each kind of message was seen."""

    entries: Counter[Entry] = field(default_factory=Counter)

    def add(self, kind: Kind, ranks: int, size: int) -> None:
        self.entries[Entry(kind, ranks, size)] += 1

    def times(self, steps: int) -> Ledger:
        """The same messages, `steps` times."""
        return Ledger(Counter({entry: n * steps for entry, n in self.entries.items()}))

    @property
    def collectives(self) -> int:
        return sum(n for e, n in self.entries.items() if e.kind not in ("send", "receive"))

    @property
    def messages(self) -> int:
        """From one rank to another."""
        return sum(n for e, n in self.entries.items() if e.kind in ("send", "receive"))

    @property
    def bytes(self) -> int:
        return sum(n * entry.size for entry, n in self.entries.items())


@dataclass(frozen=True)
class Sizes:
    """What the size of a message depends on."""

    hidden: int
    vocabulary: int
    item: int
    """Bytes of a number."""


def predict(
    plan: LayerPlan, layout: Layout, rank: int, sizes: Sizes, *, batch: int, prompt: int
) -> tuple[Ledger, Ledger]:
    """A rank's ledger for a prefill of `prompt` tokens a sequence, and for one decoded token."""
    prefill, (decode,) = own_tasks([plan], layout, rank)
    return (
        _walk(prefill, layout, rank, sizes, batch, prompt),
        _walk(decode, layout, rank, sizes, batch, 1),
    )


def _walk(
    tasks: Sequence[Task | None], layout: Layout, rank: int, sizes: Sizes, batch: int, tokens: int
) -> Ledger:
    ledger, state = Ledger(), batch * tokens * sizes.hidden * sizes.item
    for task in tasks:
        if task is None:
            continue
        attentions = 1 if task.collapsed else len(task.attentions)
        _add(ledger, "broadcast", task.enter, state)
        _add(ledger, "all_reduce", task.attention_sum, attentions * state)
        for _ in task.sends:
            ledger.add("send", 2, state)
        for _ in task.receives:
            ledger.add("receive", 2, state)
        _add(ledger, "all_reduce", task.total, state)
    if (head := layout.head(rank)) is not None and len(head[1]) > 1:
        # Pieces that differ by one column travel in buffers of the larger size.
        columns = -(-sizes.vocabulary // head[0].count)
        ledger.add("all_gather", len(head[1]), batch * columns * sizes.item)
    return ledger


def _add(ledger: Ledger, kind: Kind, ranks: Ranks, size: int) -> None:
    if ranks:
        ledger.add(kind, len(ranks), size)

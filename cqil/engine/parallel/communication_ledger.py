"""The communication ledger: messages and bytes of one rank, counted and predicted.

The communicator counts what it sends; the prediction knows only the plan, the layout and the sizes
of the model. Tests hold the two equal. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cqil.engine.parallel.layout import Layout, Ranks
from cqil.engine.parallel.rank_stages import RankStage, stages_of_rank
from cqil.plan import LayerPlan

CommunicationKind = Literal["all_reduce", "broadcast", "all_gather", "send", "receive"]


class LedgerEntry(NamedTuple):
    """A message of `size` bytes that this rank sends or receives."""

    kind: CommunicationKind
    ranks: int
    """How many ranks take part; 2 for a point-to-point message."""
    size: int
    """Bytes."""


@dataclass
class CommunicationLedger:
    """How often each kind of message was seen."""

    entries: Counter[LedgerEntry] = field(default_factory=Counter)

    def add(self, kind: CommunicationKind, ranks: int, size: int) -> None:
        self.entries[LedgerEntry(kind, ranks, size)] += 1

    def times(self, steps: int) -> CommunicationLedger:
        """The same messages, `steps` times."""
        return CommunicationLedger(Counter({entry: n * steps for entry, n in self.entries.items()}))

    @property
    def collectives(self) -> int:
        """Number of collective operations."""
        return sum(n for e, n in self.entries.items() if e.kind not in ("send", "receive"))

    @property
    def messages(self) -> int:
        """Number of point-to-point messages."""
        return sum(n for e, n in self.entries.items() if e.kind in ("send", "receive"))

    @property
    def bytes(self) -> int:
        """Bytes of all messages."""
        return sum(n * entry.size for entry, n in self.entries.items())


@dataclass(frozen=True)
class MessageSizes:
    """What the size of a message depends on."""

    hidden: int
    vocabulary: int
    itemsize: int
    """Bytes of one element."""


def predict_communication(
    plan: LayerPlan, layout: Layout, rank: int, sizes: MessageSizes, *, batch: int, prompt: int
) -> tuple[CommunicationLedger, CommunicationLedger]:
    """A rank's ledger for a prefill of `prompt` tokens a sequence, and for one decoded token."""
    prefill, (decode,) = stages_of_rank([plan], layout, rank)
    return (
        _ledger_of(prefill, layout, rank, sizes, batch, prompt),
        _ledger_of(decode, layout, rank, sizes, batch, 1),
    )


def _ledger_of(
    stages: Sequence[RankStage | None],
    layout: Layout,
    rank: int,
    sizes: MessageSizes,
    batch: int,
    tokens: int,
) -> CommunicationLedger:
    ledger, state = CommunicationLedger(), batch * tokens * sizes.hidden * sizes.itemsize
    for stage in stages:
        if stage is None:
            continue
        attentions = 1 if stage.only_sum_is_read else len(stage.attentions)
        _add(ledger, "broadcast", stage.broadcast_input, state)
        _add(ledger, "all_reduce", stage.reduce_attention, attentions * state)
        for _ in stage.sends:
            ledger.add("send", 2, state)
        for _ in stage.receives:
            ledger.add("receive", 2, state)
        _add(ledger, "all_reduce", stage.reduce_output, state)
    if (head := layout.lm_head_shard(rank)) is not None and len(head[1]) > 1:
        # Pieces that differ by one column travel in buffers of the larger size.
        columns = -(-sizes.vocabulary // head[0].count)
        ledger.add("all_gather", len(head[1]), batch * columns * sizes.itemsize)
    return ledger


def _add(ledger: CommunicationLedger, kind: CommunicationKind, ranks: Ranks, size: int) -> None:
    if ranks:
        ledger.add(kind, len(ranks), size)

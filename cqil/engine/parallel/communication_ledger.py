"""The communication ledger: messages and bytes of one rank, counted and predicted.

The communicator counts what it sends. The prediction knows only the plan, the layout and the sizes
of the model; tests compare the two. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cqil.engine.parallel.layout import Layout, Ranks
from cqil.engine.parallel.rank_assignment import RankStage, stages_of_rank
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
    """How many messages of each kind, number of ranks and size there were."""

    entries: Counter[LedgerEntry] = field(default_factory=Counter)

    def add(self, kind: CommunicationKind, ranks: int, size: int) -> None:
        """Counts one message of `size` bytes."""
        self.entries[LedgerEntry(kind, ranks, size)] += 1

    def times(self, steps: int) -> CommunicationLedger:
        """The same messages, `steps` times."""
        counts = {entry: count * steps for entry, count in self.entries.items()}
        return CommunicationLedger(Counter(counts))

    @property
    def collectives(self) -> int:
        """Number of collective operations."""
        return sum(self.entries.values()) - self.messages

    @property
    def messages(self) -> int:
        """Number of point-to-point messages."""
        return sum(
            count for entry, count in self.entries.items() if entry.kind in ("send", "receive")
        )

    @property
    def bytes(self) -> int:
        """Bytes of all collectives and messages."""
        return sum(count * entry.size for entry, count in self.entries.items())


@dataclass(frozen=True)
class MessageSizes:
    """Sizes of the model and its elements that the bytes of a message depend on."""

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
    """The ledger of one forward pass of `tokens` tokens a sequence."""
    ledger, state_bytes = CommunicationLedger(), batch * tokens * sizes.hidden * sizes.itemsize
    for stage in stages:
        if stage is None:
            continue
        attentions = 1 if stage.only_sum_is_read else len(stage.attentions)
        _add(ledger, "broadcast", stage.broadcast_input, state_bytes)
        _add(ledger, "all_reduce", stage.reduce_attention, attentions * state_bytes)
        for _ in stage.sends:
            ledger.add("send", 2, state_bytes)
        for _ in stage.receives:
            ledger.add("receive", 2, state_bytes)
        _add(ledger, "all_reduce", stage.reduce_output, state_bytes)
    if (head := layout.lm_head_shard(rank)) is not None and len(head[1]) > 1:
        # Pieces that differ by one column travel in buffers of the larger size.
        columns = -(-sizes.vocabulary // head[0].count)
        ledger.add("all_gather", len(head[1]), batch * columns * sizes.itemsize)
    return ledger


def _add(ledger: CommunicationLedger, kind: CommunicationKind, ranks: Ranks, size: int) -> None:
    if ranks:
        ledger.add(kind, len(ranks), size)

"""Which attention heads a rank holds. Imports no torch.

Query heads are split as evenly as can be; a rank holds the key-value heads that its query heads
read, so two ranks may hold the same one (as they must where there are more ranks than those heads).
"""

from __future__ import annotations

from dataclasses import dataclass

from cqil.engine.layout import Shard


@dataclass(frozen=True)
class Heads:
    """The heads of one shard of one layer."""

    queries: range
    keys: range
    size: int
    """Numbers in a head."""
    key_of: tuple[int, ...] | None
    """Place of the key-value head of each query head; None where each has equally many."""

    @classmethod
    def of(cls, shard: Shard, queries: int, keys: int, size: int) -> Heads:
        """Raises ValueError where there are more shards than query heads."""
        if shard.count > queries:
            raise ValueError(
                f"shards: {shard.count}, but the model has {queries} attention heads; use fewer"
            )
        group, own = queries // keys, range(queries)[shard.of(queries)]
        held = range(own[0] // group, own[-1] // group + 1)
        places = tuple(query // group - held.start for query in own)
        each = len(own) // len(held)
        even = tuple(place for place in range(len(held)) for _ in range(each))
        return cls(own, held, size, None if places == even else places)

    @property
    def query_rows(self) -> slice:
        return slice(self.queries.start * self.size, self.queries.stop * self.size)

    @property
    def key_rows(self) -> slice:
        return slice(self.keys.start * self.size, self.keys.stop * self.size)

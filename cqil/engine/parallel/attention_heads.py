"""Which attention heads a rank holds. Imports no torch.

Query heads are split as evenly as possible; a rank holds the key-value heads that its query heads
read. Two ranks may hold the same key-value head, and must where there are more ranks than those.
"""

from __future__ import annotations

from dataclasses import dataclass

from cqil.engine.parallel.layout import Shard


@dataclass(frozen=True)
class AttentionHeads:
    """The heads of one shard of one layer."""

    query_heads: range
    kv_heads: range
    head_dim: int
    kv_head_of_query: tuple[int, ...] | None
    """Index among `kv_heads` for each query head, where key-value heads serve unequal numbers of
    query heads; keys and values are then copied in every step. None where each serves as many."""

    @classmethod
    def of(cls, shard: Shard, query_heads: int, kv_heads: int, head_dim: int) -> AttentionHeads:
        """Raises ValueError where there are more shards than query heads."""
        if shard.count > query_heads:
            raise ValueError(
                f"tensor_parallel_size: {shard.count}, but the model has {query_heads} attention "
                "heads; use fewer"
            )
        queries_per_kv, queries = query_heads // kv_heads, range(query_heads)[shard.of(query_heads)]
        held_kv = range(queries[0] // queries_per_kv, queries[-1] // queries_per_kv + 1)
        kv_of_query = tuple(query // queries_per_kv - held_kv.start for query in queries)
        share = len(queries) // len(held_kv)
        equal_shares = tuple(kv for kv in range(len(held_kv)) for _ in range(share))
        unequal = None if kv_of_query == equal_shares else kv_of_query
        return cls(queries, held_kv, head_dim, unequal)

    @property
    def query_rows(self) -> slice:
        """Rows of the query projection."""
        heads, size = self.query_heads, self.head_dim
        return slice(heads.start * size, heads.stop * size)

    @property
    def kv_rows(self) -> slice:
        """Rows of the key and of the value projection."""
        heads, size = self.kv_heads, self.head_dim
        return slice(heads.start * size, heads.stop * size)

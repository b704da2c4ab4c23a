"""Which attention heads a rank holds. Imports no torch.

Query heads are split as evenly as possible, and a rank holds the key-value heads that its query
heads read. So two ranks may hold the same key-value head.
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
    """For each query head the index of its key-value head among `kv_heads`; keys and values are
    then copied in every step. None where each key-value head serves equally many query heads."""

    @classmethod
    def of(cls, shard: Shard, query_heads: int, kv_heads: int, head_dim: int) -> AttentionHeads:
        """The heads of `shard`, out of all heads of a layer.

        Raises ValueError where there are more shards than query heads.
        """
        if shard.count > query_heads:
            raise ValueError(
                f"tensor_parallel_size: {shard.count}, but the model has {query_heads} attention "
                "heads; use fewer"
            )
        queries_per_kv = query_heads // kv_heads
        shard_queries = range(query_heads)[shard.of(query_heads)]
        shard_kv = range(
            shard_queries[0] // queries_per_kv, shard_queries[-1] // queries_per_kv + 1
        )
        kv_of_query = tuple(query // queries_per_kv - shard_kv.start for query in shard_queries)
        share = len(shard_queries) // len(shard_kv)
        equal_shares = tuple(kv for kv in range(len(shard_kv)) for _ in range(share))
        return cls(
            query_heads=shard_queries,
            kv_heads=shard_kv,
            head_dim=head_dim,
            kv_head_of_query=None if kv_of_query == equal_shares else kv_of_query,
        )

    @property
    def query_rows(self) -> slice:
        """Rows of the query projection's weight."""
        heads, size = self.query_heads, self.head_dim
        return slice(heads.start * size, heads.stop * size)

    @property
    def kv_rows(self) -> slice:
        """Rows of the weights of the key and of the value projection."""
        heads, size = self.kv_heads, self.head_dim
        return slice(heads.start * size, heads.stop * size)

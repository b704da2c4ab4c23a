"""How a plan is spread over ranks, as one type for CQIL, tensor parallelism and both together.

Ranks form a grid. Along one axis they run different layers of a group at the same time (group
parallel); along the other they share every layer (tensor parallel). So
`Layout(group_parallel_size=p)` is CQIL, `Layout(tensor_parallel_size=n)` is tensor parallelism, and
both together are CQIL over groups of n ranks. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cqil.errors import check_known

Ranks = tuple[int, ...]
UngroupedLayers = Literal["rank0", "replicate", "shard"]


@dataclass(frozen=True)
class Shard:
    """Piece `index` of `count`."""

    index: int = 0
    count: int = 1

    def of(self, length: int) -> slice:
        """The indices of this piece among `length`; pieces are as equal as possible."""
        return slice(self.index * length // self.count, (self.index + 1) * length // self.count)


def slice_length(part: slice) -> int:
    """Number of indices in a slice that `Shard.of` returns."""
    return part.stop - part.start


@dataclass(frozen=True, kw_only=True)
class Layout:
    """rank = group-parallel rank x tensor_parallel_size + tensor-parallel rank."""

    group_parallel_size: int = 1
    """Layers of a group that run at the same time, each on ranks of its own."""
    tensor_parallel_size: int = 1
    """Ranks that share each layer and the LM head."""
    ungrouped_layers: UngroupedLayers = "rank0"
    """Where layers outside of groups run: on group-parallel rank 0 alone (`rank0`), on every
    group-parallel rank (`replicate`), or tensor parallel over all ranks (`shard`)."""

    def __post_init__(self) -> None:
        for name in ("group_parallel_size", "tensor_parallel_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
        check_known("ungrouped_layers", self.ungrouped_layers, get_args(UngroupedLayers))

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return self.group_parallel_size * self.tensor_parallel_size

    def group_parallel_rank(self, rank: int) -> int:
        """Place of a rank along the group-parallel axis."""
        return rank // self.tensor_parallel_size

    def tensor_parallel_rank(self, rank: int) -> int:
        """Place of a rank along the tensor-parallel axis."""
        return rank % self.tensor_parallel_size

    def tensor_parallel_ranks(self, group_parallel_rank: int) -> Ranks:
        """The ranks that share the layers of one group-parallel rank."""
        first = group_parallel_rank * self.tensor_parallel_size
        return tuple(range(first, first + self.tensor_parallel_size))

    def group_parallel_ranks(self, rank: int) -> Ranks:
        """The ranks that hold the same shard of different layers, the lowest first."""
        return tuple(
            range(self.tensor_parallel_rank(rank), self.world_size, self.tensor_parallel_size)
        )

    @property
    def all_ranks(self) -> Ranks:
        """Every rank, in order."""
        return tuple(range(self.world_size))

    @property
    def process_groups(self) -> list[Ranks]:
        """Every set of ranks that runs collectives, in the order in which ranks create groups."""
        groups = [self.tensor_parallel_ranks(g) for g in range(self.group_parallel_size)]
        groups += [self.group_parallel_ranks(t) for t in range(self.tensor_parallel_size)]
        distinct = dict.fromkeys([*groups, self.all_ranks])
        return [ranks for ranks in distinct if len(ranks) > 1]

    def tensor_shard(self, rank: int) -> Shard:
        """The piece of a layer that a rank holds, where its tensor-parallel ranks share it."""
        return Shard(self.tensor_parallel_rank(rank), self.tensor_parallel_size)

    def lm_head_shard(self, rank: int) -> tuple[Shard, Ranks] | None:
        """The rank's piece of the LM head, and the ranks that hold all pieces; None without one."""
        if self.ungrouped_layers == "shard":
            return Shard(rank, self.world_size), self.all_ranks
        group_rank = self.group_parallel_rank(rank)
        if self.ungrouped_layers == "rank0" and group_rank > 0:
            return None
        return self.tensor_shard(rank), self.tensor_parallel_ranks(group_rank)


ONE_DEVICE = Layout()

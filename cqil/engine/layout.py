"""Which rank computes what: CQIL, tensor parallelism and both together are one layout.

`lanes` run different members of a stage at the same time; `shards` ranks share every layer of a
lane. So Layout(lanes=p) is CQIL, Layout(shards=n) is tensor parallelism, both together are CQIL
over groups of n ranks. Imports no torch: the ledger's prediction walks the same tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from cqil.mixing import Mixing, mixing_of
from cqil.plan import LayerPlan
from cqil.stages import Stage, Stages, has_attention, has_mlp, layer_of

Ranks = tuple[int, ...]
Outside = Literal["first", "replicated", "sharded"]
Part = tuple[str, int]
"""("attn" | "mlp", layer): what one lane owns."""
EVERY = -1
"""Owner of a part that every lane computes."""


@dataclass(frozen=True)
class Shard:
    """Piece `index` of `count`."""

    index: int = 0
    count: int = 1

    def of(self, total: int) -> slice:
        """This piece of `total` things, pieces being as equal as can be."""
        return slice(self.index * total // self.count, (self.index + 1) * total // self.count)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a plan is spread over ranks. Rank = lane x shards + shard."""

    lanes: int = 1
    """Members of a stage that run at the same time."""
    shards: int = 1
    """Ranks that share each layer of a lane, and its head."""
    outside: Outside = "first"
    """Layers outside of groups run on the first lane, on each lane, or sharded over all ranks."""

    def __post_init__(self) -> None:
        for name in ("lanes", "shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
        if self.outside not in get_args(Outside):
            known = ", ".join(get_args(Outside))
            raise ValueError(f"outside: {self.outside!r} is unknown; use one of {known}")

    @property
    def world(self) -> int:
        return self.lanes * self.shards

    def lane_of(self, rank: int) -> int:
        return rank // self.shards

    def lane_ranks(self, lane: int) -> Ranks:
        return tuple(range(lane * self.shards, (lane + 1) * self.shards))

    def column(self, rank: int) -> Ranks:
        """The ranks that hold the same shard in each lane; the first lane's comes first."""
        return tuple(range(rank % self.shards, self.world, self.shards))

    @property
    def all_ranks(self) -> Ranks:
        return tuple(range(self.world))

    @property
    def groups(self) -> list[Ranks]:
        """Every set of ranks that some collective joins, in the order in which all create them."""
        lanes = [self.lane_ranks(lane) for lane in range(self.lanes)]
        columns = [self.column(shard) for shard in range(self.shards)]
        found = dict.fromkeys([*lanes, *columns, self.all_ranks])
        return [ranks for ranks in found if len(ranks) > 1]

    def head(self, rank: int) -> tuple[Shard, Ranks] | None:
        """The rank's piece of the output head and who holds the others; None if it has none."""
        if self.outside == "sharded":
            return Shard(rank, self.world), self.all_ranks
        if self.outside == "first" and self.lane_of(rank) > 0:
            return None
        return Shard(rank % self.shards, self.shards), self.lane_ranks(self.lane_of(rank))


ONE_DEVICE = Layout()


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one rank does in one stage. An empty tuple of ranks: no such message."""

    mixing: Mixing
    attentions: tuple[int, ...]
    """Places in `mixing.attentions` that this rank computes."""
    mlps: tuple[int, ...]
    """Places in `mixing.mlps` that this rank computes."""
    shard: Shard
    enter: Ranks
    """The stage's input is broadcast among these, from the first."""
    attention_sum: Ranks
    """Attention outputs are summed over these: each holds some of the heads."""
    sends: tuple[tuple[int, int], ...]
    """(place of an own attention, rank that reads it)."""
    receives: tuple[tuple[int, int], ...]
    """(place of an attention of another lane, rank that computes it)."""
    total: Ranks
    """The stage's increments are summed over these."""
    partial: bool
    """No MLP reads the attentions, so that shards leave their sum to `total`."""
    ladder: bool
    """The layer runs in a ladder: its two sums travel while the next half is computed."""

    @property
    def collapsed(self) -> bool:
        """Only the sum of the attentions matters, so that it alone need travel."""
        return self.mixing.alike and not self.sends and not self.receives


def own_tasks(
    plans: Sequence[LayerPlan], layout: Layout, rank: int
) -> tuple[list[Task | None], list[list[Task | None]]]:
    """The rank's tasks for the prompt and for decoding under each plan; None: it sits out.

    The plans share one cache, so a layer stays where the first of them puts it. Raises ValueError
    for a stage with more members than lanes, and where a layer would have to change its place, or
    stand in a ladder away from the first lane.
    """
    owners: dict[Part, int] = {}
    for plan in plans:
        _assign(plan.groups, layout, owners)
    _assign(plans[0].prefill_groups, layout, owners)
    prompt = _tasks(plans[0].prefill_groups, plans[0], layout, rank, owners)
    return prompt, [_tasks(plan.groups, plan, layout, rank, owners) for plan in plans]


def parts_of(stage: Stage) -> list[list[Part]]:
    """The parts of each member, in order."""
    return [
        [("attn", layer_of(m))] * has_attention(m) + [("mlp", layer_of(m))] * has_mlp(m)
        for m in stage
    ]


def _assign(stages: Stages, layout: Layout, owners: dict[Part, int]) -> None:
    for stage in stages:
        if len(stage) > layout.lanes > 1:
            raise ValueError(
                f"lanes: {layout.lanes}, but stage {list(stage)} has {len(stage)} members; "
                "use as many lanes as the largest stage has members"
            )
        outside = len(stage) == 1 or layout.lanes == 1
        for place, parts in enumerate(parts_of(stage)):
            shared = outside and layout.outside != "first" and layout.lanes > 1
            lane = EVERY if shared else 0 if outside else place
            for part in parts:
                if (owners.setdefault(part, lane) == EVERY) != (lane == EVERY):
                    raise ValueError(
                        f"outside: {layout.outside!r}, but layer {part[1]} is grouped at one time "
                        "and not at another; use 'first'"
                    )


def _tasks(
    stages: Stages, plan: LayerPlan, layout: Layout, rank: int, owners: dict[Part, int]
) -> list[Task | None]:
    """Follows where the stage's input is known: on the first lane only, or everywhere."""
    everywhere = layout.lanes == 1 or layout.outside != "first"
    tasks: list[Task | None] = []
    for stage in stages:
        lanes = {owners[part] for parts in parts_of(stage) for part in parts}
        if plan.climbs(stage) and not lanes <= {0, EVERY}:
            raise ValueError(
                f"ladder: layer {stage[0]} stays on lane {max(lanes)}, where an earlier plan has "
                "grouped it, but a ladder runs on the first; end the ladder before it"
            )
        alone = lanes == {0} and layout.lanes > 1
        enter = () if everywhere or alone else layout.column(rank)
        everywhere = not alone
        sits_out = alone and layout.lane_of(rank) > 0
        tasks.append(None if sits_out else _task(stage, plan, layout, rank, owners, enter))
    return tasks


def _task(
    stage: Stage,
    plan: LayerPlan,
    layout: Layout,
    rank: int,
    owners: dict[Part, int],
    enter: Ranks,
) -> Task:
    mixing, lane = mixing_of(stage, plan), layout.lane_of(rank)
    heads = [owners["attn", layer] for layer in mixing.attentions]
    feeds = [owners["mlp", layer] for layer in mixing.mlps]
    lanes = {*heads, *feeds}
    if lanes == {EVERY}:
        spread = layout.outside == "sharded"
        shard = Shard(rank, layout.world) if spread else Shard(rank % layout.shards, layout.shards)
        sharers = layout.all_ranks if spread else layout.lane_ranks(lane)
        total = sharers
    else:
        shard, sharers = Shard(rank % layout.shards, layout.shards), layout.lane_ranks(lane)
        total = sharers if lanes == {0} else layout.all_ranks
    own = [a for a, owner in enumerate(heads) if owner in (lane, EVERY)]
    peer = {other: other * layout.shards + rank % layout.shards for other in range(layout.lanes)}
    reads = {  # (attention, lane that reads it but does not compute it)
        (a, feeds[m])
        for m, row in enumerate(mixing.seen)
        for a, seen in enumerate(row)
        if seen and heads[a] != feeds[m]
    }
    unread = not any(any(row) for row in mixing.seen)
    return Task(
        mixing=mixing,
        attentions=tuple(own),
        mlps=tuple(m for m, owner in enumerate(feeds) if owner in (lane, EVERY)),
        shard=shard,
        enter=enter,
        attention_sum=sharers if len(sharers) > 1 and own and not unread else (),
        sends=tuple((a, peer[to]) for a, to in sorted(reads) if heads[a] == lane),
        receives=tuple((a, peer[heads[a]]) for a, to in sorted(reads) if to == lane),
        total=total if len(total) > 1 else (),
        partial=unread,
        ladder=plan.climbs(stage),
    )

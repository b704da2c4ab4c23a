"""What each rank computes and sends in each stage of a plan. Imports no torch.

The engine runs these stages, and the communication ledger and the cost model read them. So what is
predicted and what is run cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cqil.engine.parallel.layout import Layout, Ranks, Shard
from cqil.plan import LayerPlan
from cqil.plan.stage_dataflow import StageDataflow, stage_dataflow
from cqil.plan.stages import Stage, Stages, has_attention, has_mlp, layer_of

LayerPart = tuple[str, int]
"""("attn" | "mlp", layer): what one group-parallel rank owns."""
EVERY_RANK = -1
"""Owner of a part that every group-parallel rank computes."""
Owners = dict[LayerPart, int]
"""Part -> the group-parallel rank that computes it, or EVERY_RANK."""


@dataclass(frozen=True, kw_only=True)
class RankStage:
    """What one rank does in one stage. Where a field of ranks is empty, nothing is communicated."""

    dataflow: StageDataflow
    attentions: tuple[int, ...]
    """Indices into `dataflow.attentions` that this rank computes."""
    mlps: tuple[int, ...]
    """Indices into `dataflow.mlps` that this rank computes."""
    shard: Shard
    """The piece of each layer that this rank holds."""
    broadcast_input: Ranks
    """The first of these broadcasts the stage's input to the others."""
    reduce_attention: Ranks
    """Attention outputs are summed over these, since each holds some of the heads."""
    sends: tuple[tuple[int, int], ...]
    """(index of an attention of this rank, rank whose MLP reads it)."""
    receives: tuple[tuple[int, int], ...]
    """(index of an attention, rank that computes it for an MLP of this rank)."""
    reduce_output: Ranks
    """The stage's increments are summed over these."""
    defer_attention_reduce: bool
    """No MLP reads an attention, so its shards are summed together with the output."""
    ladder: bool
    """The layer runs in a ladder: its two sums travel while the next half layer computes."""

    @property
    def only_sum_is_read(self) -> bool:
        """Only the sum of the attentions matters, so that it alone is communicated."""
        return self.dataflow.all_mlps_read_the_sum and not self.sends and not self.receives


RankStages = tuple[RankStage | None, ...]
"""One rank's stages in order; None where the rank is idle."""


def stages_of_rank(
    plans: Sequence[LayerPlan], layout: Layout, rank: int
) -> tuple[RankStages, list[RankStages]]:
    """The rank's stages for the prompt, and for decoding under each plan; None where it is idle.

    All plans share one cache, so a layer stays on the rank that the first plan gives it to. Raises
    ValueError where a stage has more members than `group_parallel_size`, where a layer would move
    to another rank, and where a ladder has a layer that is not on group-parallel rank 0.
    """
    prompt, decode = _stages_of_rank(tuple(plans), layout, rank)
    return prompt, list(decode)


# The cost model asks for the stages of one plan twice: for what they read, and what they send.
@lru_cache(maxsize=64)
def _stages_of_rank(
    plans: tuple[LayerPlan, ...], layout: Layout, rank: int
) -> tuple[RankStages, tuple[RankStages, ...]]:
    owners: Owners = {}
    for plan in plans:
        _assign(plan.groups, layout, owners)
    first = plans[0]
    _assign(first.prefill_groups, layout, owners)
    decode = tuple(_rank_stages(plan.groups, plan, layout, rank, owners) for plan in plans)
    if first.prefill is None:
        return decode[0], decode
    return _rank_stages(first.prefill, first, layout, rank, owners), decode


def parts_of(stage: Stage) -> list[list[LayerPart]]:
    """The parts of each member, in order."""
    return [
        [("attn", layer_of(m))] * has_attention(m) + [("mlp", layer_of(m))] * has_mlp(m)
        for m in stage
    ]


def _assign(stages: Stages, layout: Layout, owners: Owners) -> None:
    """Gives every part of the stages that has no owner yet an owner."""
    size = layout.group_parallel_size
    for stage in stages:
        if len(stage) > size > 1:
            raise ValueError(
                f"group_parallel_size: {size}, but stage {list(stage)} has {len(stage)} members; "
                "use the size of the largest stage"
            )
        ungrouped = len(stage) == 1 or size == 1
        everywhere = ungrouped and layout.ungrouped_layers != "rank0" and size > 1
        for member_index, parts in enumerate(parts_of(stage)):
            owner = EVERY_RANK if everywhere else 0 if ungrouped else member_index
            for part in parts:
                if (owners.setdefault(part, owner) == EVERY_RANK) != (owner == EVERY_RANK):
                    raise ValueError(
                        f"ungrouped_layers: {layout.ungrouped_layers!r}, but layer {part[1]} is "
                        "grouped at one time and not at another; use 'rank0'"
                    )


def _rank_stages(
    stages: Stages, plan: LayerPlan, layout: Layout, rank: int, owners: Owners
) -> RankStages:
    """The rank's stages for the prompt or for decoding; None where it is idle.

    Only group-parallel rank 0 may know the input of a stage; a broadcast then precedes the stage.
    """
    known_everywhere = layout.group_parallel_size == 1 or layout.ungrouped_layers != "rank0"
    rank_stages: list[RankStage | None] = []
    for stage in stages:
        stage_owners = {owners[part] for parts in parts_of(stage) for part in parts}
        if plan.in_ladder(stage) and not stage_owners <= {0, EVERY_RANK}:
            raise ValueError(
                f"ladder: layer {stage[0]} stays on group-parallel rank {max(stage_owners)}, where "
                "an earlier plan has grouped it, but a ladder runs on rank 0; end it before"
            )
        on_rank_0 = stage_owners == {0} and layout.group_parallel_size > 1
        broadcast = () if known_everywhere or on_rank_0 else layout.group_parallel_ranks(rank)
        known_everywhere = not on_rank_0
        if on_rank_0 and layout.group_parallel_rank(rank) > 0:
            rank_stages.append(None)
        else:
            rank_stages.append(_rank_stage(stage, plan, layout, rank, owners, broadcast))
    return tuple(rank_stages)


def _rank_stage(
    stage: Stage, plan: LayerPlan, layout: Layout, rank: int, owners: Owners, broadcast: Ranks
) -> RankStage:
    dataflow, group_rank = stage_dataflow(stage, plan), layout.group_parallel_rank(rank)
    attention_owners = [owners["attn", layer] for layer in dataflow.attentions]
    mlp_owners = [owners["mlp", layer] for layer in dataflow.mlps]
    stage_owners = {*attention_owners, *mlp_owners}
    shard, sharing_ranks = _shard_of_stage(stage_owners, layout, rank)
    one_place = stage_owners in ({EVERY_RANK}, {0})
    summing_ranks = sharing_ranks if one_place else layout.all_ranks
    attentions = _owned(attention_owners, group_rank)
    no_mlp_reads = not any(any(row) for row in dataflow.mlp_reads_attention)
    sends, receives = _bypass_messages(dataflow, attention_owners, mlp_owners, layout, rank)
    return RankStage(
        dataflow=dataflow,
        attentions=attentions,
        mlps=_owned(mlp_owners, group_rank),
        shard=shard,
        broadcast_input=broadcast,
        reduce_attention=() if no_mlp_reads or not attentions else _if_several(sharing_ranks),
        sends=sends,
        receives=receives,
        reduce_output=_if_several(summing_ranks),
        defer_attention_reduce=no_mlp_reads,
        ladder=plan.in_ladder(stage),
    )


def _shard_of_stage(stage_owners: set[int], layout: Layout, rank: int) -> tuple[Shard, Ranks]:
    """The rank's piece of each layer of a stage, and the ranks that hold the other pieces."""
    if stage_owners == {EVERY_RANK} and layout.ungrouped_layers == "shard":
        return Shard(rank, layout.world_size), layout.all_ranks
    return layout.tensor_shard(rank), layout.tensor_parallel_ranks(layout.group_parallel_rank(rank))


def _owned(owners: Sequence[int], group_rank: int) -> tuple[int, ...]:
    """Indices of the parts that a group-parallel rank computes."""
    return tuple(i for i, owner in enumerate(owners) if owner in (group_rank, EVERY_RANK))


def _bypass_messages(
    dataflow: StageDataflow,
    attention_owners: Sequence[int],
    mlp_owners: Sequence[int],
    layout: Layout,
    rank: int,
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The rank's `sends` and `receives`; its peers have the same tensor-parallel rank."""
    group_rank, peers = layout.group_parallel_rank(rank), layout.group_parallel_ranks(rank)
    remote_reads = sorted(
        {  # (attention, group-parallel rank that reads it but does not compute it)
            (a, mlp_owners[m])
            for m, row in enumerate(dataflow.mlp_reads_attention)
            for a, reads in enumerate(row)
            if reads and attention_owners[a] != mlp_owners[m]
        }
    )
    sends = ((a, peers[to]) for a, to in remote_reads if attention_owners[a] == group_rank)
    receives = ((a, peers[attention_owners[a]]) for a, to in remote_reads if to == group_rank)
    return tuple(sends), tuple(receives)


def _if_several(ranks: Ranks) -> Ranks:
    """The ranks, or none where there is only one: it needs no message."""
    return ranks if len(ranks) > 1 else ()

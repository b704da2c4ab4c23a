"""Layouts without torch: how many messages a plan needs, how large, and what is refused."""

import re
import subprocess
import sys

import pytest
from any_plan import plans
from hypothesis import given
from hypothesis import strategies as st

from cqil import LayerPlan, dense_plan, uniform_plan
from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.communication_ledger import (
    LedgerEntry,
    MessageSizes,
    predict_communication,
)
from cqil.engine.parallel.layout import Layout, Shard
from cqil.engine.parallel.rank_assignment import stages_of_rank

SIZES = MessageSizes(hidden=16, vocabulary=50, itemsize=2)
BATCH, PROMPT = 3, 7
STATE_BYTES = {"prefill": BATCH * PROMPT * 16 * 2, "decode": BATCH * 16 * 2}
"""Bytes of a hidden state of all tokens of a step."""


def one_line(field, value):
    """Matches a message of one line that starts with the field and holds the value."""
    return rf"\A{re.escape(field)}: [^\n]*{re.escape(value)}[^\n]*\Z"


def ledgers(plan, layout, rank):
    """Phase, a rank's messages in it, and the bytes of one hidden state."""
    predicted = predict_communication(plan, layout, rank, SIZES, batch=BATCH, prompt=PROMPT)
    for phase, ledger in zip(STATE_BYTES, predicted, strict=True):
        yield ledger.entries, STATE_BYTES[phase]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("groups", [1, 2, 5])
def test_cqil_on_two_ranks_needs_one_broadcast_and_one_sum_a_group(groups, rank):
    plan = uniform_plan(12, 1, 1 + 2 * groups, 2)
    for entries, state in ledgers(plan, Layout(group_parallel_size=2), rank):
        assert entries == {
            LedgerEntry("broadcast", 2, state): 1,
            LedgerEntry("all_reduce", 2, state): groups,
        }


@pytest.mark.parametrize("target", ["ffn", "ffn+residual"])
@pytest.mark.parametrize("groups", [1, 2, 5])
def test_a_bypass_is_one_message_a_group_from_the_first_rank_to_the_second(groups, target):
    plan = uniform_plan(12, 1, 1 + 2 * groups, 2, 1, target)
    for rank, kind in enumerate(["send", "receive"]):
        for entries, state in ledgers(plan, Layout(group_parallel_size=2), rank):
            assert entries == {
                LedgerEntry("broadcast", 2, state): 1,
                LedgerEntry("all_reduce", 2, state): groups,
                LedgerEntry(kind, 2, state): groups,
            }


@pytest.mark.parametrize("ungrouped", ["replicate", "shard"])
def test_ranks_that_all_know_the_input_need_no_broadcast(ungrouped):
    plan = uniform_plan(12, 1, 11, 2)
    sums = 5 if ungrouped == "replicate" else 5 + 2 * 2  # sharded layers 0 and 11 need two each
    for rank in (0, 1):
        for entries, state in ledgers(
            plan, Layout(group_parallel_size=2, ungrouped_layers=ungrouped), rank
        ):
            gather = (
                {LedgerEntry("all_gather", 2, BATCH * 25 * 2): 1} if ungrouped == "shard" else {}
            )
            assert entries == {LedgerEntry("all_reduce", 2, state): sums} | gather


def test_each_run_of_groups_needs_a_broadcast():
    plan = LayerPlan(num_layers=8, groups=[[0, 1], [2, 3], [4], [5], [6, 7]])
    for entries, state in ledgers(plan, Layout(group_parallel_size=2), 1):
        assert entries[LedgerEntry("broadcast", 2, state)] == 2


@pytest.mark.parametrize(("shards", "columns"), [(2, 25), (4, 13)])
def test_tensor_parallelism_needs_two_sums_a_layer(shards, columns):
    for rank in range(shards):
        for entries, state in ledgers(dense_plan(12), Layout(tensor_parallel_size=shards), rank):
            assert entries == {
                LedgerEntry("all_reduce", shards, state): 2 * 12,
                LedgerEntry("all_gather", shards, BATCH * columns * 2): 1,
            }


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_a_ladder_saves_no_message(shards):
    ladder = LayerPlan(num_layers=12, groups=dense_plan(12).groups, ladder=(2, 9))
    for rank in range(shards):
        layout = Layout(tensor_parallel_size=shards)
        assert [*ledgers(ladder, layout, rank)] == [*ledgers(dense_plan(12), layout, rank)]


def test_a_ladder_stays_on_group_parallel_rank_0():
    pairs = uniform_plan(4, 0, 4, 2)
    later = LayerPlan(num_layers=4, groups=dense_plan(4).groups, ladder=(2, 4))
    stages_of_rank([later, pairs], Layout(group_parallel_size=2), 0)
    stages_of_rank([pairs, later], Layout(tensor_parallel_size=2), 0)
    for rank in (0, 1):
        with pytest.raises(
            ValueError, match=one_line("ladder", "layer 3 stays on group-parallel rank 1")
        ):
            stages_of_rank([pairs, later], Layout(group_parallel_size=2), rank)


def test_layer_parallelism_needs_two_sums_a_pair():
    plan = uniform_plan(12, 2, 10, 2, target="two-way")
    for entries, state in ledgers(plan, Layout(tensor_parallel_size=2), 0):
        assert entries[LedgerEntry("all_reduce", 2, state)] == 2 * plan.depth == 2 * 8
    # Without a second way the attentions of a pair are no sum: both travel, in one message.
    for entries, state in ledgers(uniform_plan(12, 2, 10, 2), Layout(tensor_parallel_size=2), 0):
        assert entries[LedgerEntry("all_reduce", 2, 2 * state)] == 4


def test_group_parallel_over_tensor_parallel_ranks():
    layout = Layout(group_parallel_size=2, tensor_parallel_size=2)
    assert layout.world_size == 4
    assert [layout.group_parallel_ranks(rank) for rank in range(4)] == [(0, 2), (1, 3)] * 2
    assert layout.process_groups == [(0, 1), (2, 3), (0, 2), (1, 3), (0, 1, 2, 3)]
    plan = LayerPlan(num_layers=3, groups=[[0], [1, 2]])
    for entries, state in ledgers(plan, layout, 2):
        assert entries == {
            LedgerEntry("broadcast", 2, state): 1,
            LedgerEntry("all_reduce", 2, state): 1,  # its attention, over its tensor-parallel ranks
            LedgerEntry("all_reduce", 4, state): 1,
        }


@given(plans(largest=2, own_prefill=True), st.integers(1, 3))
def test_every_message_has_its_counterpart(plan, shards):
    layout = Layout(group_parallel_size=2, tensor_parallel_size=shards)
    by_rank = [stages_of_rank([plan], layout, rank) for rank in range(layout.world_size)]
    for stages in zip(*(prompt + decode for prompt, (decode,) in by_rank), strict=True):
        present = {
            rank: rank_stage for rank, rank_stage in enumerate(stages) if rank_stage is not None
        }
        for rank, rank_stage in present.items():
            for name in ("broadcast_input", "reduce_attention", "reduce_output"):
                ranks = getattr(rank_stage, name)
                assert not ranks or rank in ranks
                assert all(getattr(present[peer], name) == ranks for peer in ranks)
            for a, peer in rank_stage.sends:
                assert (a, rank) in present[peer].receives
            for a, peer in rank_stage.receives:
                assert (a, rank) in present[peer].sends


@pytest.mark.parametrize(
    ("field", "bad"),
    [("group_parallel_size", 0), ("tensor_parallel_size", -1), ("ungrouped_layers", "last")],
)
def test_field_out_of_range(field, bad):
    with pytest.raises(ValueError, match=one_line(field, repr(bad))):
        Layout(**{field: bad})


def test_stage_larger_than_group_parallel_size():
    with pytest.raises(
        ValueError, match=one_line("group_parallel_size", "2, but stage [0, 1, 2] has 3")
    ):
        stages_of_rank([uniform_plan(4, 0, 3, 3)], Layout(group_parallel_size=2), 0)
    stages_of_rank(
        [uniform_plan(4, 0, 3, 3)], Layout(group_parallel_size=1, tensor_parallel_size=2), 0
    )


@pytest.mark.parametrize("ungrouped", ["replicate", "shard"])
def test_layers_grouped_at_one_time_only_need_rank0(ungrouped):
    plan = LayerPlan(num_layers=4, groups=[[0], [2, 3]], prefill=[[0], [1], [2], [3]])
    stages_of_rank([plan], Layout(group_parallel_size=2), 1)
    with pytest.raises(
        ValueError, match=one_line("ungrouped_layers", f"{ungrouped!r}, but layer 2")
    ):
        stages_of_rank([plan], Layout(group_parallel_size=2, ungrouped_layers=ungrouped), 1)


@given(st.integers(1, 40), st.data())
def test_shards_hold_each_query_head_once_and_find_its_keys(queries, data):
    keys = data.draw(st.sampled_from([n for n in range(1, queries + 1) if queries % n == 0]))
    count = data.draw(st.integers(1, queries))
    shards = [AttentionHeads.of(Shard(i, count), queries, keys, head_dim=8) for i in range(count)]
    assert [head for shard in shards for head in shard.query_heads] == list(range(queries))
    for shard in shards:
        share = len(shard.query_heads) // len(shard.kv_heads)
        kv_indices = shard.kv_head_of_query or [
            index for index in range(len(shard.kv_heads)) for _ in range(share)
        ]
        read = [shard.kv_heads[index] for index in kv_indices]
        assert read == [query // (queries // keys) for query in shard.query_heads]
        assert shard.query_rows == slice(8 * shard.query_heads.start, 8 * shard.query_heads.stop)
        assert shard.kv_rows == slice(8 * shard.kv_heads.start, 8 * shard.kv_heads.stop)


def test_more_shards_than_heads():
    with pytest.raises(
        ValueError, match=one_line("tensor_parallel_size", "5, but the model has 4")
    ):
        AttentionHeads.of(Shard(0, 5), 4, 2, 8)


def test_layouts_and_predictions_do_not_import_torch():
    modules = "cqil.engine.parallel.communication_ledger, cqil.engine.parallel.attention_heads"
    script = f"import sys, {modules}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

"""Schedules: what they refuse, and the engine under plans that shrink from token to token."""

import re
from dataclasses import replace

import pytest
import torch
from any_plan import TARGETS, stages
from equality import STEPS, assert_reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rank_functions import scheduled_logits
from reference import Reference
from strategies import Case, cases, examples
from tiny_models import Shape, tiny_dense, tokens_of
from transformers import DynamicCache

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.engine import Engine
from cqil.engine.parallel.layout import Layout
from cqil.engine.parallel.rank_assignment import stages_of_rank
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.scheduled_decoding import ScheduleHooks
from cqil.plan.schedule import Schedule
from cqil.plan.stages import has_attention, layer_of

DENSE = dense_plan(4)


@st.composite
def schedules(draw, largest=4):
    """A case, and a schedule that begins with its plan and drops layers, or halves of them."""
    case = draw(cases(own_prefill=draw(st.booleans()), largest=largest))
    plans, starts = [case.plan], [0]
    for start in sorted(draw(st.sets(st.integers(1, STEPS - 1), max_size=3))):
        kept = fewer(draw, [member for stage in plans[-1].groups for member in stage])
        plans.append(
            LayerPlan(
                num_layers=case.plan.num_layers,
                groups=draw(stages(kept, largest)),
                bypass=draw(st.integers(0, 3)),
                bypass_target=draw(st.sampled_from(TARGETS)),
            )
        )
        starts.append(start)
    return case, Schedule(tuple(plans), tuple(starts))


def fewer(draw, members):
    """Some of the members, with one attention at least; a whole layer may lose its MLP."""
    certain = draw(st.sampled_from([member for member in members if has_attention(member)]))
    fate = {m: draw(st.sampled_from(["whole", "whole", "half", "gone"])) for m in members}
    kept = [m for m in members if m == certain or fate[m] != "gone"]
    return [f"{layer_of(m)}.attn" if fate[m] == "half" and has_attention(m) else m for m in kept]


@given(drawn=schedules())
@settings(max_examples=examples(60))
def test_engine_under_a_schedule_equals_the_naive_maths(drawn):
    assert_reference(scheduled_logits(0, *drawn, Layout()), *drawn)


@pytest.mark.parametrize(
    "layout",
    [Layout(group_parallel_size=2), Layout(tensor_parallel_size=2)],
    ids=["group-parallel", "tensor-parallel"],
)
@given(drawn=schedules(largest=2))
@settings(max_examples=examples(12))
def test_two_ranks_under_a_schedule_equal_the_naive_maths(two_ranks, layout, drawn):
    by_rank = two_ranks.run(scheduled_logits, *drawn, layout)
    assert sum(logits is not None for logits in by_rank) == layout.tensor_parallel_size
    for logits in by_rank[: layout.tensor_parallel_size]:
        assert_reference(logits, *drawn)


@st.composite
def nested_schedules(draw):
    """A case, and a schedule whose later plans only leave stages out."""
    case = draw(cases(own_prefill=draw(st.booleans())))
    plans, starts = [case.plan], [0]
    for start in sorted(draw(st.sets(st.integers(1, STEPS - 1), max_size=3))):
        groups = plans[-1].groups
        kept = draw(st.sets(st.sampled_from(range(len(groups))), min_size=1))
        kept |= {next(n for n, stage in enumerate(groups) if any(map(has_attention, stage)))}
        groups = [stage for n, stage in enumerate(groups) if n in kept]
        plans.append(replace(plans[0], groups=groups, prefill=None, ladder=None))
        starts.append(start)
    return case, Schedule(tuple(plans), tuple(starts))


@given(drawn=nested_schedules())
@settings(max_examples=examples(60))
@torch.no_grad()
@pytest.mark.usefixtures("full_float64")
def test_the_reference_under_a_schedule_equals_the_engine(drawn):
    """One pass over all decoded tokens, as scores are made, is the engine's token by token."""
    case, schedule = drawn
    assume(not any(plan.in_ladder(stage) for plan in schedule.plans for stage in plan.groups))
    dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
    ids_BT = tokens_of(1, case.prompt_length + STEPS, case.seed)
    prompt_BT, fed_BT = ids_BT[:, : case.prompt_length], ids_BT[:, case.prompt_length :]
    engine = Engine.from_dense(dense, schedule)
    engine.prefill(prompt_BT, max_tokens=ids_BT.shape[1])
    by_token = [engine.decode_step(token_B) for token_B in fed_BT.T]
    model = PlannedLlamaForCausalLM.from_dense(dense, schedule.plans[0])
    cache = DynamicCache()
    model(prompt_BT, past_key_values=cache, phase="prefill")
    with ScheduleHooks(model, schedule) as hooks:
        logits_BTV = model(fed_BT, past_key_values=cache, phase="decode").logits
    torch.testing.assert_close(logits_BTV, torch.stack(by_token, 1), rtol=1e-9, atol=1e-9)
    depths = [schedule.plans[schedule.index_at(step)].depth for step in range(STEPS)]
    assert hooks.depths_BT.tolist() == [depths]


@pytest.mark.parametrize(
    "regrouped",
    [
        LayerPlan(num_layers=4, groups=[[0, 1, 2, 3]], bypass=1),
        LayerPlan(num_layers=4, groups=[[0, 1, 2, 3]], bypass=1, bypass_target="ffn+residual"),
        LayerPlan(num_layers=4, groups=[["0.attn", 1, "2.attn", 3]], bypass_target="two-way"),
    ],
    ids=str,
)
def test_layers_keep_their_rank_when_they_are_regrouped(four_ranks, regrouped):
    """Two ranks then hold two members of one stage each."""
    case = Case(uniform_plan(4, 0, 4, 2), Shape(), seed=0, prompt_length=4, padding=[0, 2])
    schedule = Schedule((case.plan, regrouped), (0, 3))
    logits, *others = four_ranks.run(
        scheduled_logits, case, schedule, Layout(group_parallel_size=4)
    )
    assert others == [None] * 3
    assert_reference(logits, case, schedule)


def test_generated_text_follows_the_schedule():
    dense, ids_BT = tiny_dense(4), tokens_of(1, 5)
    schedule = Schedule((DENSE, uniform_plan(4, 0, 4, 2), kept_layers_plan(4, [1, 2])), (0, 2, 5))
    got = Engine.from_dense(dense, schedule).generate(ids_BT, max_new_tokens=9)
    assert got[0].tolist() == Reference(dense, schedule).greedy(ids_BT[0].tolist(), 9)[5:]


def test_plan_of_each_token():
    schedule = Schedule((DENSE, DENSE, DENSE), (0, 1, 4))
    assert [schedule.index_at(token) for token in range(6)] == [0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("plans", "starts", "field", "message"),
    [
        ((), (), "starts", "() must begin with 0"),
        ((DENSE,), (), "starts", "a token for each plan"),
        ((DENSE,), (1,), "starts", "(1,) must begin with 0"),
        ((DENSE, DENSE), (0,), "starts", "a token for each plan"),
        ((DENSE, DENSE), (0, 0), "starts", "(0, 0) must ascend"),
        ((DENSE, DENSE, DENSE), (0, 5, 3), "starts", "(0, 5, 3) must ascend"),
        ((DENSE, dense_plan(5)), (0, 2), "num_layers", "5 layers, the checkpoint has 4"),
        ((kept_layers_plan(4, [0, 2]), DENSE), (0, 2), "plans", "layer 1 comes back"),
        ((DENSE, kept_layers_plan(4, [0]), DENSE), (0, 1, 2), "plans", "layer 1 comes back"),
    ],
)
def test_schedules_that_cannot_be_run(plans, starts, field, message):
    with pytest.raises(ValueError, match=rf"\A{field}: [^\n]*{re.escape(message)}[^\n]*\Z"):
        Schedule(plans, starts)


def test_plan_for_another_checkpoint():
    with pytest.raises(ValueError, match=r"\Anum_layers: [^\n]*4 layers[^\n]*has 3"):
        Engine.from_dense(tiny_dense(3), Schedule((DENSE,)))


def test_layers_that_change_between_group_and_single_need_rank0():
    schedule = Schedule((uniform_plan(4, 0, 4, 2), DENSE), (0, 3))
    stages_of_rank(schedule.plans, Layout(group_parallel_size=2), rank=1)
    with pytest.raises(
        ValueError, match=r"\Aungrouped_layers: 'replicate'[^\n]*layer 0[^\n]*'rank0'\Z"
    ):
        stages_of_rank(
            schedule.plans, Layout(group_parallel_size=2, ungrouped_layers="replicate"), rank=1
        )

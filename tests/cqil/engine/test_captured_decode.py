"""Decode steps of fixed shape, compiled or not, and on two threads, equal the eager ones."""

import shutil

import pytest
import torch
from equality import STEPS, check_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases, examples
from tiny_models import Shape, left_padded, tiny_dense, tokens_of

from cqil import LayerPlan, dense_plan, kept_layers_plan
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.plan.schedule import Schedule

pytestmark = pytest.mark.usefixtures("full_float64")
any_case = st.booleans().flatmap(lambda own_prefill: cases(own_prefill))
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++"))), reason="Torch needs a C++ compiler to compile"
)


def case_of(plan):
    return Case(plan, Shape(kv_heads=1), seed=0, prompt_length=4, padding=[0, 3])


def assert_equal(case, eager, replayed):
    """Two prompts, since the second one finds what the first has left in the cache."""
    batch = len(case.padding)
    for seed, padding in [(0, case.padding), (1, [0] * batch)]:
        prompt = left_padded(tokens_of(batch, case.prompt_length, seed), padding)
        fed_BT = tokens_of(batch, STEPS, seed)
        expected, logits = (answer(engine, prompt, fed_BT) for engine in (eager, replayed))
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)


def answer(engine, prompt, fed_BT):
    """Logits [1 + steps, B, V]; those of a replayed step are overwritten by the next."""
    logits = [engine.prefill(*prompt, max_tokens=prompt[0].shape[1] + STEPS)]
    logits += [engine.decode_step(token_B).clone() for token_B in fed_BT.T]
    return torch.stack(logits)


@given(any_case)
@settings(max_examples=examples(60))
def test_steps_of_fixed_shape_equal_eager_ones(case):
    dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
    eager, fixed = (Engine.from_dense(dense, case.plan) for _ in range(2))
    fixed.mode = "cuda_graph"  # On a CPU its steps run as they would be captured.
    assert_equal(case, eager, fixed)


@needs_compiler
@pytest.mark.parametrize(
    "plan",
    [
        LayerPlan(num_layers=3, groups=[[0, 1]], prefill=[[0], [1], [2]], bypass=1),
        Schedule((dense_plan(2), kept_layers_plan(2, [1])), (0, 3)),
        LayerPlan(num_layers=3, groups=[[0], [1], [2]], ladder=(0, 2)),
    ],
    ids=["plan", "schedule", "ladder"],
)
def test_compiled_steps_equal_eager_ones(plan):
    case = case_of(plan.plans[0] if isinstance(plan, Schedule) else plan)
    dense = tiny_dense(case.plan.num_layers, case.shape)
    # Any number of engines may compile in one process; PyTorch alone would stop at the ninth.
    with torch._dynamo.config.patch(recompile_limit=1):
        assert_equal(
            case,
            Engine.from_dense(dense, plan),
            Engine.from_dense(dense, plan, options=EngineOptions(mode="compiled")),
        )


@given(any_case)
@settings(max_examples=examples(15))
def test_two_threads_equal_the_reference(case):
    torch.set_num_threads(2)
    try:
        check_equal(case)
    finally:
        torch.set_num_threads(1)

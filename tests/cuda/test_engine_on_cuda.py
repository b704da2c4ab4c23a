"""The engine on a CUDA device: captured, compiled and bfloat16 steps, and NCCL.

`make test-cuda` on a machine that has one; without one they are skipped.
"""

from typing import get_args

import pytest
import torch
from full_precision import full_float64
from tiny_models import tiny_dense, tokens_of

from cqil import LayerPlan, dense_plan, uniform_plan
from cqil.engine import Engine, EngineOptions, Layout, WorkerGroup
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.layer_plan import BypassTarget

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
STEPS = 6
PLANS = [
    dense_plan(4),
    *(uniform_plan(4, 0, 4, 2, bypass=1, target=target) for target in get_args(BypassTarget)),
    LayerPlan(num_layers=4, groups=[[0], [3]], prefill=[[0], [1], [2], [3]]),
    LayerPlan(num_layers=4, groups=[["0.attn", "1.mlp"], [2, 3]]),
]
every_plan = pytest.mark.parametrize("plan", PLANS, ids=str)


def logits_of(engine):
    """Logits [1 + steps, B, V] of a prompt of two sequences and of the tokens fed after it."""
    prompt_BT, fed_BT = tokens_of(2, 5).cuda(), tokens_of(2, STEPS, seed=2).cuda()
    logits = [engine.prefill(prompt_BT, max_tokens=5 + STEPS)]
    logits += [engine.decode_step(token_B).clone() for token_B in fed_BT.T]
    return torch.stack(logits)


@every_plan
@pytest.mark.parametrize("mode", ["cuda_graph", "compiled"])
def test_captured_steps_equal_eager_ones(plan, mode):
    dense = tiny_dense(4).cuda()
    with full_float64():
        eager, captured = (
            logits_of(Engine.from_dense(dense, plan, options=EngineOptions(mode=each)))
            for each in ("eager", mode)
        )
    torch.testing.assert_close(captured, eager, rtol=1e-9, atol=1e-9)


@every_plan
@torch.no_grad()
def test_bfloat16_is_as_near_to_float64_as_the_reference(plan):
    exact = tiny_dense(4).cuda()
    rounded = tiny_dense(4).cuda().bfloat16()
    ids_BT = tokens_of(2, 5).cuda()
    expected_BV = Engine.from_dense(exact, plan).prefill(ids_BT, max_tokens=5)
    reference_BV = PlannedLlamaForCausalLM.from_dense(rounded, plan)(ids_BT).logits[:, -1]
    engine_BV = Engine.from_dense(rounded, plan).prefill(ids_BT, max_tokens=5)
    reference_error, engine_error = (
        float((logits_BV.double() - expected_BV).norm()) for logits_BV in (reference_BV, engine_BV)
    )
    assert engine_error < 2 * reference_error


def generated(rank, device):
    """Tokens that the ranks of a layout write together."""
    layout = Layout(tensor_parallel_size=torch.distributed.get_world_size())
    dense, ids_BT = tiny_dense(4).to(device), tokens_of(2, 5).to(device)
    plan = uniform_plan(4, 0, 4, 2)
    engine = Engine.from_dense(dense, plan, rank=rank, options=EngineOptions(layout=layout))
    return engine.generate(ids_BT, max_new_tokens=STEPS).tolist()


@pytest.mark.parametrize(("backend", "ranks"), [("nccl", 1), ("gloo", 2)])
def test_ranks_on_one_card_write_what_one_device_does(backend, ranks):
    """NCCL takes one rank a card; gloo carries CUDA tensors of two."""
    plan, ids_BT = uniform_plan(4, 0, 4, 2), tokens_of(2, 5).cuda()
    engine = Engine.from_dense(tiny_dense(4).cuda(), plan)
    expected = engine.generate(ids_BT, max_new_tokens=STEPS).tolist()
    with WorkerGroup(ranks, backend=backend) as workers:
        assert workers.run(generated, "cuda:0") == [expected] * ranks

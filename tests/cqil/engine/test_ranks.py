"""Engines on two and four gloo ranks equal the reference, and send exactly what was predicted.

Tensor parallelism is checked against that of Transformers as well.
"""

import torch
from equality import fault_of
from hypothesis import given, settings
from strategies import examples, rank_cases
from tiny_models import Shape, tiny_dense, tokens_of
from transformers import LlamaForCausalLM

from cqil import dense_plan
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout


@given(drawn=rank_cases(world_size=2))
@settings(max_examples=examples(40))
def test_two_ranks(two_ranks, drawn):
    layout, case = drawn
    assert two_ranks.run(fault_of, case, layout) == [None] * 2


@given(drawn=rank_cases(world_size=4))
@settings(max_examples=examples(40))
def test_four_ranks(four_ranks, drawn):
    layout, case = drawn
    assert four_ranks.run(fault_of, case, layout) == [None] * 4


def engine_logits(rank, path, ids_BT):
    engine = Engine.load(
        path, dense_plan(3), rank=rank, options=EngineOptions(layout=Layout(tensor_parallel_size=2))
    )
    return engine.prefill(ids_BT, max_tokens=ids_BT.shape[1])


@torch.inference_mode()
def transformers_logits(rank, path, ids_BT):
    model = LlamaForCausalLM.from_pretrained(path, tp_plan="auto", dtype=torch.float32)
    logits_BTV = model(ids_BT).logits
    # Weights are split, not merely placed: else this would compare nothing.
    assert model.model.layers[0].mlp.up_proj.weight.to_local().shape[0] == 12
    return logits_BTV[:, -1]


def test_tensor_parallelism_is_that_of_transformers(two_ranks, tmp_path):
    tiny_dense(3, Shape(kv_heads=2, head_dim=8)).float().save_pretrained(tmp_path)
    ids_BT = tokens_of(2, 6)
    by_engine = two_ranks.run(engine_logits, str(tmp_path), ids_BT)
    by_transformers = two_ranks.run(transformers_logits, str(tmp_path), ids_BT)
    for logits_BV in [*by_engine, *by_transformers]:
        torch.testing.assert_close(logits_BV, by_transformers[0], rtol=1e-4, atol=1e-4)

"""Engines that share packed weights: the same text from less memory, on one device and on ranks."""

import pytest
import torch
from tiny_models import Shape, tiny_dense, tokens_of

from benchmarks.latency.shared_weights import share_weights
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine import Engine, EngineOptions, Layout

LAYERS = 4
PAIRS = uniform_plan(LAYERS, 1, 3, 2)
CASES = [  # plan, and its layout on two ranks; weights are packed otherwise in each layout
    (dense_plan(LAYERS), Layout(tensor_parallel_size=2)),
    (PAIRS, Layout(group_parallel_size=2)),
    (uniform_plan(LAYERS, 1, 3, 2, bypass=1), Layout(group_parallel_size=2)),
    (PAIRS, Layout(tensor_parallel_size=2)),
    (kept_layers_plan(LAYERS, [0, 2], prompt_dense=True), Layout(tensor_parallel_size=2)),
]
SHAPES = [Shape(), Shape(tied=True, attention_bias=True)]


def texts(rank, shape, layouts):
    """What each plan generates where all engines of this process share their weights."""
    dense, shared = tiny_dense(LAYERS, shape), {}
    engines = [
        share_weights(
            Engine.from_dense(dense, plan, rank=rank, options=EngineOptions(layout=layout)),
            (),
            shared,
        )
        for (plan, _), layout in zip(CASES, layouts, strict=True)
    ]
    return [engine.generate(tokens_of(2, 5), max_new_tokens=6).tolist() for engine in engines]


def unshared_texts(shape):
    """What each plan generates on one device, without shared weights."""
    engines = [Engine.from_dense(tiny_dense(LAYERS, shape), plan) for plan, _ in CASES]
    return [engine.generate(tokens_of(2, 5), max_new_tokens=6).tolist() for engine in engines]


@pytest.mark.parametrize("shape", SHAPES, ids=["untied", "tied"])
def test_one_device(shape):
    assert texts(0, shape, [Layout()] * len(CASES)) == unshared_texts(shape)


@pytest.mark.parametrize("shape", SHAPES, ids=["untied", "tied"])
def test_ranks(two_ranks, shape):
    layouts = [layout for _, layout in CASES]
    assert two_ranks.run(texts, shape, layouts) == [unshared_texts(shape)] * 2


@pytest.mark.parametrize("shape", SHAPES, ids=["untied", "tied"])
def test_equal_weights_are_held_once(shape):
    dense, shared = tiny_dense(LAYERS, shape), {}
    engines = [share_weights(Engine.from_dense(dense, plan), (), shared) for plan, _ in CASES]
    first, others = engines[0], storages(*engines[1:])
    # Beside the dense weights: those of the pair. The last norm belongs to each engine.
    pair = next(r for r in engines[1].program.decode[0] if len(r.layers) == 2)
    gains = {engine.head.norm_weight_H.untyped_storage().data_ptr() for engine in engines}
    assert others - storages(first) - gains == {
        tensor.untyped_storage().data_ptr()
        for weights in (pair.attention, pair.mlp)
        for tensor in vars(weights).values()
        if tensor is not None
    }


def storages(*engines):
    """Where the weights lie."""
    runners = [r for e in engines for r in (*e.program.prefill, *e.program.decode[0])]
    packed = [vars(part) for r in runners for part in (r.attention, r.mlp)]
    tensors = [tensor for part in packed for tensor in part.values()]
    tensors += [end for e in engines for end in (e.head.embedding_VH, e.head.lm_head_HV)]
    return {t.untyped_storage().data_ptr() for t in tensors if isinstance(t, torch.Tensor)}

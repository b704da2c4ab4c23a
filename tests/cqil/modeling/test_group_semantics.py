"""What a group computes: its formula, its bypass targets, and plans that leave layers out."""

import pytest
import torch
from reference import Reference
from tiny_models import left_padded, tiny_dense, tokens_of

from cqil import LayerPlan, dense_plan, kept_layers_plan
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
TARGETS = ("ffn", "ffn+residual", "two-way", "mean")


def one_group(size, bypass=0, target="ffn"):
    return LayerPlan(
        num_layers=size, groups=[list(range(size))], bypass=bypass, bypass_target=target
    )


def logits(plan, seed=0):
    model = PlannedLlamaForCausalLM.from_dense(tiny_dense(plan.num_layers, seed=seed), plan)
    return model(tokens_of(2, 5)).logits


@torch.no_grad()
def parts(plan):
    """The group of a plan, an input x, and A_j and M_j of its layers as functions."""
    dense = tiny_dense(plan.num_layers)
    group = PlannedLlamaForCausalLM.from_dense(dense, plan).model.groups[0]
    x_BTH = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(2)).double()
    rotary = dense.model.rotary_emb(x_BTH, torch.arange(5)[None])

    def attention(j, x):
        layer = dense.model.layers[j]
        return layer.self_attn(layer.input_layernorm(x), position_embeddings=rotary)[0]

    def mlp(j, h):
        layer = dense.model.layers[j]
        return layer.mlp(layer.post_attention_layernorm(h))

    return group(x_BTH, position_embeddings=rotary), x_BTH, attention, mlp


def assert_equal(output, expected):
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


def test_formula_of_two_layers():
    output, x, attention, mlp = parts(one_group(2, bypass=1))
    a0, a1 = attention(0, x), attention(1, x)
    assert_equal(output, x + a0 + mlp(0, x + a0) + a1 + mlp(1, x + a1 + a0))


@pytest.mark.parametrize("target", TARGETS)
def test_formula_of_three_layers(target):
    output, x, attention, mlp = parts(one_group(3, bypass=1, target=target))
    a0, a1, a2 = (attention(j, x) for j in range(3))
    forward = a0 + mlp(0, x + a0) + a1 + mlp(1, x + a1 + a0) + a2 + mlp(2, x + a2 + a1)
    both = x + a0 + a1 + a2
    expected = {
        "ffn": x + forward,
        "ffn+residual": x + forward + a0 + a1,
        "two-way": both + mlp(0, both) + mlp(1, both) + mlp(2, both),
        "mean": x + (a0 + mlp(0, x + a0) + a1 + mlp(1, x + a1) + a2 + mlp(2, x + a2)) / 3,
    }
    assert_equal(output, expected[target])


@pytest.mark.parametrize("bypass", [0, 1, 2, 3])
@pytest.mark.parametrize("target", TARGETS)
@torch.no_grad()
def test_mixed_plan_equals_the_reference(target, bypass):
    plan = LayerPlan(
        num_layers=8, groups=[[0], [1, 2, 4, 5], [6, 7]], bypass=bypass, bypass_target=target
    )
    dense, ids_BT = tiny_dense(8), tokens_of(2, 5)
    output = PlannedLlamaForCausalLM.from_dense(dense, plan)(ids_BT).logits
    for row, ids in enumerate(ids_BT):
        expected = Reference(dense, plan).logits(ids, prompt_length=5)
        torch.testing.assert_close(output[row], expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_hidden_states_are_those_between_stages():
    plan = LayerPlan(num_layers=6, groups=[[0], [1, 2], [4, 5]], bypass=1)
    dense, ids_BT = tiny_dense(6), tokens_of(2, 5)
    model = PlannedLlamaForCausalLM.from_dense(dense, plan)
    states = model(ids_BT, output_hidden_states=True).hidden_states
    rotary = dense.model.rotary_emb(states[0], torch.arange(5)[None])
    between = [dense.model.embed_tokens(ids_BT)]
    for stage in model.model.decode_stages:
        between.append(stage(between[-1], position_embeddings=rotary))
    assert len(states) == plan.depth + 1
    for state, expected in zip(states, [*between[:-1], dense.model.norm(between[-1])], strict=True):
        assert_equal(state, expected)


def test_target_is_idle_at_distance_zero():
    assert torch.equal(logits(one_group(3)), logits(one_group(3, target="ffn+residual")))


@pytest.mark.parametrize("target", ["ffn", "ffn+residual"])
def test_distance_saturates_at_the_group(target):
    one, two, three = (logits(one_group(3, d, target)) for d in (1, 2, 3))
    assert torch.equal(two, three)
    assert not torch.allclose(one, two, atol=1e-3)


def test_targets_differ():
    of_target = [logits(one_group(3, bypass=1, target=target)) for target in TARGETS]
    of_target.append(logits(one_group(3)))
    for i, ours in enumerate(of_target):
        assert not any(torch.allclose(ours, other, atol=1e-3) for other in of_target[:i])


@pytest.mark.parametrize("target", ["two-way", "mean"])
def test_distance_is_idle(target):
    assert torch.equal(logits(one_group(3, 0, target)), logits(one_group(3, 2, target)))


@pytest.mark.parametrize("kept", [[1, 2, 3], [3], [2, 4]])
@pytest.mark.parametrize(
    "options",
    [{}, {"cache_implementation": "static"}, {"prefill_chunk_size": 2}],
    ids=["dynamic", "static", "chunked prefill"],
)
@pytest.mark.parametrize("padding", [[0, 0], [3, 1]])
@pytest.mark.parametrize("prompt_dense", [False, True])
def test_generate_without_the_first_layer(kept, options, padding, prompt_dense):
    dense, plan = tiny_dense(5), kept_layers_plan(5, kept, prompt_dense=prompt_dense)
    ids_BT, mask_BT = left_padded(tokens_of(2, 5), padding)
    output_BT = PlannedLlamaForCausalLM.from_dense(dense, plan).generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=4, **options
    )
    for row, pads in enumerate(padding):
        expected = Reference(dense, plan).greedy(ids_BT[row, pads:].tolist(), 4)
        assert output_BT[row, pads:].tolist() == expected


def test_attention_and_mlp_side_by_side():
    """PaLM's parallel form: both halves read the same input; with a bypass it is the layer."""
    halves = [[f"{layer}.attn", f"{layer}.mlp"] for layer in range(3)]
    parallel = LayerPlan(num_layers=3, groups=halves)
    output, x, attention, mlp = parts(LayerPlan(num_layers=1, groups=[["0.attn", "0.mlp"]]))
    assert_equal(output, x + attention(0, x) + mlp(0, x))
    assert not torch.allclose(logits(parallel), logits(dense_plan(3)))
    sequential = LayerPlan(num_layers=3, groups=halves, bypass=1)
    assert_equal(logits(sequential), logits(dense_plan(3)))


def test_half_a_layer_is_left_out():
    output, x, attention, mlp = parts(LayerPlan(num_layers=2, groups=[[0, "1.attn"]], bypass=1))
    a0 = attention(0, x)
    assert_equal(output, x + a0 + mlp(0, x + a0) + attention(1, x))
    output, x, attention, mlp = parts(LayerPlan(num_layers=2, groups=[[0, "1.mlp"]], bypass=1))
    a0 = attention(0, x)
    assert_equal(output, x + a0 + mlp(0, x + a0) + mlp(1, x + a0))

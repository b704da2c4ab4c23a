"""Planned models on disk and over a dense model's weights: same names, same plan, same logits."""

import warnings
from copy import deepcopy

import pytest
import torch
from tiny_models import Shape, tiny_dense, tokens_of
from transformers import AutoConfig, AutoModelForCausalLM

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.modeling import PlannedLlamaConfig, PlannedLlamaForCausalLM

PLANS = [
    dense_plan(6),
    uniform_plan(6, 1, 5, 2, bypass=1),
    uniform_plan(6, 0, 6, 4, target="two-way"),
    kept_layers_plan(6, [1, 2, 5]),
    kept_layers_plan(6, [0, 3], prompt_dense=True),
    LayerPlan(num_layers=6, groups=[[0, 1], [2], [4], [5]], ladder=(2, 5)),
    LayerPlan(num_layers=6, groups=[[2], [3, 5]], prefill=[[1, 2], [3, 5]], bypass=2),
]
SHAPES = [Shape(), Shape(kv_heads=1, tied=True, attention_bias=True, mlp_bias=True)]
every_plan = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.slug)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=["plain", "tied, with biases"])


def planned_model(plan, shape=SHAPES[0]):
    return PlannedLlamaForCausalLM.from_dense(tiny_dense(plan.num_layers, shape), plan)


@every_plan
@every_shape
def test_save_and_load(plan, shape, tmp_path):
    model, ids_BT = planned_model(plan, shape), tokens_of(2, 5)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float64)
    # Weights mapped from a file may lie at odd addresses, where matrix products round differently.
    loaded = deepcopy(loaded)
    assert type(loaded) is PlannedLlamaForCausalLM
    assert loaded.plan == plan
    assert loaded.config.tie_word_embeddings == shape.tied
    assert torch.equal(loaded(ids_BT).logits, model(ids_BT).logits)
    expected = model.generate(ids_BT, max_new_tokens=4)
    assert torch.equal(loaded.generate(ids_BT, max_new_tokens=4), expected)


def test_config_alone_comes_back_with_its_plan(tmp_path):
    planned_model(PLANS[-1]).config.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is PlannedLlamaConfig
    assert config.layer_plan == PLANS[-1]
    assert config.num_hidden_layers == 4


@every_plan
@every_shape
def test_parameters_are_named_as_in_a_stock_model(plan, shape):
    stock = tiny_dense(len(plan.stored_layers), shape)
    model = planned_model(plan, shape)
    assert list(model.state_dict()) == list(stock.state_dict())
    assert dict(model.named_parameters()).keys() == dict(stock.named_parameters()).keys()


@every_plan
@every_shape
def test_weights_are_those_of_the_dense_model(plan, shape):
    dense = tiny_dense(6, shape)
    model = PlannedLlamaForCausalLM.from_dense(dense, plan)
    for number, layer in enumerate(plan.stored_layers):
        ours = dict(model.model.layers[number].named_parameters())
        theirs = dict(dense.model.layers[layer].named_parameters())
        assert {name: weight.data_ptr() for name, weight in ours.items()} == {
            name: weight.data_ptr() for name, weight in theirs.items()
        }
    for name in ("model.embed_tokens", "model.norm", "lm_head"):
        ours, theirs = model.get_submodule(name).weight, dense.get_submodule(name).weight
        assert ours.data_ptr() == theirs.data_ptr()


def test_dense_model_is_left_as_it_was():
    dense, ids_BT = tiny_dense(6), tokens_of(2, 5)
    before = dense(ids_BT).logits
    PlannedLlamaForCausalLM.from_dense(dense, PLANS[3])
    assert torch.equal(dense(ids_BT).logits, before)
    assert dense.config.num_hidden_layers == 6
    assert [layer.self_attn.layer_idx for layer in dense.model.layers] == list(range(6))


@pytest.mark.parametrize("trained", [False, True])
def test_frozen_weights_stay_frozen(trained):
    dense = tiny_dense(6).requires_grad_(trained)
    model = PlannedLlamaForCausalLM.from_dense(dense, PLANS[1])
    for weight in (*model.parameters(), *dense.parameters()):
        assert weight.requires_grad == trained


@pytest.mark.parametrize("training", [False, True])
def test_mode_and_attention_follow_the_dense_model(training):
    dense = tiny_dense(6).train(training)
    dense.set_attn_implementation("eager")
    model = PlannedLlamaForCausalLM.from_dense(dense, PLANS[1])
    assert model.training == training
    assert model.config._attn_implementation == "eager"
    assert model.dtype == torch.float64


def test_plan_for_another_depth_is_refused():
    said = r"\Anum_layers: [^\n]*32 layers, the checkpoint has 6[^\n]*\Z"
    with pytest.raises(ValueError, match=said):
        PlannedLlamaForCausalLM.from_dense(tiny_dense(6), dense_plan(32))


@pytest.mark.parametrize("num_layers", [5, 7])
def test_config_that_stores_another_number_of_layers_is_refused(num_layers):
    said = rf"\Anum_hidden_layers: {num_layers}, but the plan stores 6[^\n]*\Z"
    with pytest.raises(ValueError, match=said):
        PlannedLlamaConfig(num_hidden_layers=num_layers, plan=PLANS[1].to_dict())


@pytest.mark.parametrize(
    ("plan", "field"),
    [({"num_layers": 1, "groups": [[0], [0]]}, "groups"), ({"groups": [[0]]}, "num_layers")],
)
def test_config_with_a_malformed_plan_is_refused(plan, field):
    with pytest.raises(ValueError, match=rf"\A{field}: [^\n]*\Z"):
        PlannedLlamaConfig(num_hidden_layers=1, plan=plan)


def test_config_without_a_plan_is_dense():
    assert PlannedLlamaConfig(num_hidden_layers=3).layer_plan == dense_plan(3)


def test_a_plan_with_its_own_prefill_warns_of_scores_without_a_cache(tmp_path):
    for name, prompt_dense in (("skip", True), ("removal", False)):
        plan = kept_layers_plan(6, [0, 3], prompt_dense=prompt_dense)
        planned_model(plan).save_pretrained(tmp_path / name)
    with pytest.warns(UserWarning, match="lm-eval's HFLM"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "skip")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoModelForCausalLM.from_pretrained(tmp_path / "removal")

"""Planned models train: gradients, checkpointing, and LoRA adapters over a grouped plan."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import Shape, tiny_dense, tokens_of

from cqil import LayerPlan, kept_layers_plan, uniform_plan
from cqil.modeling import PlannedLlamaForCausalLM

TARGETS = ("ffn", "ffn+residual", "two-way", "mean")
BIASED = Shape(attention_bias=True, mlp_bias=True)
GROUPED = LayerPlan(num_layers=6, groups=[[0], [1, 2, 3], [5]], bypass=1)
LADDER = LayerPlan(num_layers=4, groups=[[0], [1], [2], [3]], ladder=(1, 3))
# PEFT asks Transformers under a name that is on its way out.
uses_peft = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def planned_model(plan, shape=BIASED):
    return PlannedLlamaForCausalLM.from_dense(tiny_dense(plan.num_layers, shape), plan).train()


def gradients(model):
    ids_BT = tokens_of(2, 6)
    model.zero_grad()
    model(ids_BT, labels=ids_BT, use_cache=False).loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


def with_lora(model):
    torch.manual_seed(0)
    return get_peft_model(
        model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )


def train(model, steps=5):
    """The loss before each of the steps."""
    ids_BT = tokens_of(4, 6)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(ids_BT, labels=ids_BT, use_cache=False).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("target", TARGETS)
def test_every_stored_parameter_has_a_gradient(target):
    plan = uniform_plan(6, 1, 5, 3, bypass=1, target=target)
    for name, gradient in gradients(planned_model(plan)).items():
        assert gradient is not None, name
        assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("plan", [GROUPED, LADDER], ids=["group", "ladder"])
def test_activation_checkpointing_recomputes_groups_and_changes_nothing(plan, use_reentrant):
    model, passes = planned_model(plan), []
    expected = {name: gradient.clone() for name, gradient in gradients(model).items()}
    model.activation_checkpointing_enable({"use_reentrant": use_reentrant})
    model.model.layers[2].self_attn.register_forward_hook(lambda *_: passes.append(1))
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-12, atol=1e-12)
    assert len(passes) == 2


@uses_peft
def test_lora_attaches_to_every_linear_layer_of_every_stored_layer():
    model = with_lora(planned_model(GROUPED))
    adapted = {name for name, _ in model.named_modules() if name.endswith("lora_A.default")}
    assert len(adapted) == len(LINEAR) * len(GROUPED.stored_layers)
    ids_BT = tokens_of(4, 6)
    model(ids_BT, labels=ids_BT, use_cache=False).loss.backward()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            assert weight.grad.abs().sum() > 0, name


@uses_peft
def test_lora_learns_and_leaves_the_base_alone():
    base = planned_model(GROUPED)
    ids_BT = tokens_of(2, 5)
    weights = {name: weight.clone() for name, weight in base.state_dict().items()}
    logits = base(ids_BT).logits
    model = with_lora(base)
    losses = train(model)
    assert losses[-1] < losses[0]
    assert not torch.allclose(model(ids_BT).logits, logits, atol=1e-3)
    with model.disable_adapter():
        assert torch.equal(model(ids_BT).logits, logits)
    for name, weight in model.unload().state_dict().items():
        assert torch.equal(weight, weights[name]), name


@uses_peft
def test_lora_save_and_load(tmp_path):
    model, ids_BT = with_lora(planned_model(GROUPED)), tokens_of(2, 5)
    train(model)
    model.save_pretrained(tmp_path)
    fresh = PeftModel.from_pretrained(planned_model(GROUPED), tmp_path)
    assert torch.equal(fresh(ids_BT).logits, model(ids_BT).logits)
    merged = fresh.merge_and_unload()
    assert type(merged) is PlannedLlamaForCausalLM
    torch.testing.assert_close(merged(ids_BT).logits, model(ids_BT).logits, rtol=1e-5, atol=1e-5)


@uses_peft
def test_lora_trains_under_activation_checkpointing():
    plain, model = with_lora(planned_model(GROUPED)), with_lora(planned_model(GROUPED))
    model.activation_checkpointing_enable({"use_reentrant": False})
    assert train(model) == pytest.approx(train(plain), rel=1e-9)


@uses_peft
@pytest.mark.parametrize(("kept", "fits"), [((0, 1, 2, 3), True), ((0, 2, 3), False)])
def test_an_adapter_of_the_dense_model_needs_all_its_layers(tmp_path, kept, fits):
    with_lora(tiny_dense(4)).save_pretrained(tmp_path)
    planned = PlannedLlamaForCausalLM.from_dense(tiny_dense(4), kept_layers_plan(4, kept))
    if fits:
        PeftModel.from_pretrained(planned, tmp_path)
        return
    with pytest.raises(ValueError, match=r"\Aadapter: has weights of layer 3, [^\n]*merge_and"):
        PeftModel.from_pretrained(planned, tmp_path)


@uses_peft
def test_an_adapter_of_the_planned_model_fits_it(tmp_path):
    plan = kept_layers_plan(4, [0, 2, 3])
    with_lora(PlannedLlamaForCausalLM.from_dense(tiny_dense(4), plan)).save_pretrained(tmp_path)
    again = PlannedLlamaForCausalLM.from_dense(tiny_dense(4), plan)
    PeftModel.from_pretrained(again, tmp_path)

"""Checkpoints by name, planned folders, adapters, tokenizers: opened as they are, or one line."""

import fnmatch

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.mapping import inject_adapter_in_model
from tiny_models import tiny_dense, tokens_of
from transformers import AutoConfig, AutoModelForCausalLM

from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.checkpoint import open_checkpoint
from cqil.checkpoint.locate_checkpoint import HUB_FILES
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

ONE_LINE = r"\A[^\n]+\Z"
LORA = LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")


def save_planned(path, plan):
    dense = tiny_dense(plan.num_layers)
    PlannedLlamaForCausalLM.from_dense(dense, plan).save_pretrained(path)
    return dense


@pytest.mark.parametrize(
    "plan",
    [
        uniform_plan(6, 1, 5, 2, bypass=1),
        kept_layers_plan(6, [1, 2, 5]),
        kept_layers_plan(6, [0, 3], prompt_dense=True),
    ],
    ids=lambda plan: plan.slug,
)
@pytest.mark.usefixtures("full_float64")
def test_a_planned_folder_runs_its_plan(tmp_path, plan):
    dense, ids_BT = save_planned(tmp_path, plan), tokens_of(2, 5)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.plan == plan
    assert checkpoint.config.num_hidden_layers == 6
    loaded = Engine.load(tmp_path, dtype=torch.float64)
    expected = Engine.from_dense(dense, plan).generate(ids_BT, max_new_tokens=4)
    assert torch.equal(loaded.generate(ids_BT, max_new_tokens=4), expected)


def test_a_planned_folder_is_no_dense_model(tmp_path):
    save_planned(tmp_path, kept_layers_plan(6, [1, 2, 5]))
    with pytest.raises(ValueError, match=rf"{ONE_LINE}") as refused:
        open_checkpoint(tmp_path).load_dense()
    assert "give the dense LLaMA" in str(refused.value)
    with pytest.raises(ValueError, match=r"\Amodel.layers.0[^\n]*not in the checkpoint"):
        Engine.load(tmp_path, dense_plan(6))


def test_a_planned_configuration_keeps_its_layers(tmp_path):
    save_planned(tmp_path, uniform_plan(6, 1, 5, 2))
    with pytest.raises(ValueError, match=r"num_hidden_layers: 4"):
        AutoModelForCausalLM.from_pretrained(tmp_path, num_hidden_layers=4)
    config = AutoConfig.from_pretrained(tmp_path)
    config.num_hidden_layers = 4
    with pytest.raises(ValueError, match=r"num_hidden_layers: 4"):
        AutoModelForCausalLM.from_config(config)


def test_without_a_plan_a_dense_folder_runs_dense(tmp_path):
    tiny_dense(3).save_pretrained(tmp_path)
    assert Engine.load(tmp_path).schedule.plans == (dense_plan(3),)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
@pytest.mark.parametrize("make", [PlannedLlamaForCausalLM.from_dense, Engine.from_dense])
def test_models_with_adapters_are_refused(make):
    adapted = get_peft_model(tiny_dense(2), LORA)
    with pytest.raises(ValueError, match=r"\Adense: is a Peft[^\n]*merge_and_unload[^\n]*\Z"):
        make(adapted, dense_plan(2))
    injected = inject_adapter_in_model(LORA, tiny_dense(2))
    with pytest.raises(ValueError, match=r"\Adense: [^\n]*base_layer[^\n]*merge_and_unload"):
        make(injected, dense_plan(2))
    merged = get_peft_model(tiny_dense(2), LORA).merge_and_unload()
    make(merged, dense_plan(2))


def test_a_planned_model_takes_no_second_plan():
    planned = PlannedLlamaForCausalLM.from_dense(tiny_dense(4), kept_layers_plan(4, [0, 1]))
    with pytest.raises(ValueError, match=r"\Adense: is a PlannedLlama"):
        Engine.from_dense(planned, dense_plan(2))


@pytest.mark.parametrize("name", ["/no/such/folder", "./missing", "~/missing", "a/b/c"])
def test_paths_are_not_taken_for_hub_ids(name):
    with pytest.raises(ValueError, match=rf"\Amodel: there is no directory {name}; [^\n]*\Z"):
        open_checkpoint(name)


def test_home_and_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tiny_dense(2).save_pretrained(tmp_path / "llama")
    assert open_checkpoint("~/llama").path == tmp_path / "llama"
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]* is a file; "):
        open_checkpoint(tmp_path / "llama" / "config.json")


def test_the_hub_gives_chat_templates_too():
    for name in ("chat_template.jinja", "tokenizer.json", "model.safetensors", "tokenizer.model"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in HUB_FILES)


def test_weights_that_float16_cannot_hold(tmp_path):
    model = tiny_dense(2).float()
    model.lm_head.weight.data[3, 1] = 70000
    model.save_pretrained(tmp_path)
    open_checkpoint(tmp_path).load_dense(torch.float32)
    for load in (
        lambda: open_checkpoint(tmp_path).load_dense(torch.float16),
        lambda: Engine.load(tmp_path, dtype=torch.float16),
    ):
        with pytest.raises(ValueError, match=r"\Alm_head.weight: [^\n]*float16; use float32"):
            load()


def test_a_folder_needs_its_tokenizer_only_where_text_is_read(tmp_path):
    tiny_dense(2).save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(ValueError, match=r"\Atokenizer: [^\n]*tokenizer.json[^\n]*\Z"):
        _ = checkpoint.tokenizer


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "gpt2"}', "{}"])
def test_configurations_that_are_none(tmp_path, text):
    tiny_dense(2).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=ONE_LINE):
        open_checkpoint(tmp_path)

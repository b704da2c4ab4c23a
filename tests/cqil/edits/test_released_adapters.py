"""Released adapters: their table, where they come from, and what merging them gives."""

import json
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest
import torch
from full_precision import full_float64
from peft import PeftModel
from safetensors.torch import save_file
from tiny_models import Shape, tiny_dense, tokens_of
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from cqil import kept_layers_plan, uniform_plan
from cqil.edits import adapter_file
from cqil.edits.digests import files_digest
from cqil.edits.edited_weights import apply_edits, edited_layers
from cqil.edits.released_adapters import RELEASED, adapter_edit
from cqil.edits.weight_edit import Refit
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

LAYERS = 6
PLANS = {
    "D0": uniform_plan(LAYERS, 1, 5, 2),
    "D1": uniform_plan(LAYERS, 1, 5, 2, bypass=1, target="ffn+residual"),
    "P4": uniform_plan(LAYERS, 1, 5, 4),
    "removal": kept_layers_plan(LAYERS, [0, 2, 3, 5]),
}
RANK = 32
# PEFT asks Transformers under a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
exactly = pytest.mark.usefixtures("exact")


@pytest.fixture
def exact():
    """In float64, for these tests alone: others run the commands in float32."""
    with full_float64():
        yield


def write_released(folder, model, file="adapter_model.safetensors"):
    """An adapter of random weights as peft 0.6.2 saved the released ones; returns the folder."""
    folder.mkdir(exist_ok=True)
    names = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    names.remove("lm_head")
    settings = {
        "alpha_pattern": {},
        "auto_mapping": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": RANK,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": RANK,
        "rank_pattern": {},
        "revision": None,
        "target_modules": names,
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    source, weights = torch.Generator().manual_seed(3), {}
    for name in names:
        rows, columns = model.get_submodule(name).weight.shape
        for part, shape in (("A", (RANK, columns)), ("B", (rows, RANK))):
            weight = 0.1 * torch.randn(shape, generator=source, dtype=torch.float64)
            weights[f"base_model.model.{name}.lora_{part}.weight"] = weight.bfloat16()
    (save_file if file.endswith("safetensors") else torch.save)(weights, folder / file)
    return folder


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    return write_released(tmp_path_factory.mktemp("released"), tiny_dense(LAYERS))


def merged_by_peft(folder):
    return PeftModel.from_pretrained(tiny_dense(LAYERS), folder).merge_and_unload()


def logits(dense, plan):
    with torch.inference_mode():
        return PlannedLlamaForCausalLM.from_dense(dense, plan)(tokens_of(2, 7)).logits


@exactly
@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_model.bin"])
@pytest.mark.parametrize("name", PLANS)
def test_merged_as_peft_merges_it_under_the_plan(tmp_path, name, file):
    folder, dense = (
        write_released(tmp_path / "adapter", tiny_dense(LAYERS), file),
        tiny_dense(LAYERS),
    )
    apply_edits(dense, [adapter_edit(str(folder))])
    expected = logits(merged_by_peft(folder), PLANS[name])
    torch.testing.assert_close(logits(dense, PLANS[name]), expected, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(expected, logits(tiny_dense(LAYERS), PLANS[name]))


@exactly
@pytest.mark.parametrize("name", PLANS)
def test_the_engine_merges_it_too(tmp_path, released, name):
    tiny_dense(LAYERS).save_pretrained(tmp_path)
    edits = [adapter_edit(str(released))]
    engine = Engine.load(tmp_path, PLANS[name], dtype=torch.float64, edits=edits)
    found = engine.prefill(tokens_of(2, 7), max_tokens=8)
    expected = logits(merged_by_peft(released), PLANS[name])[:, -1]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_layers_keep_their_numbers_where_a_plan_leaves_some_out(released):
    dense, plan = tiny_dense(LAYERS), PLANS["removal"]
    apply_edits(dense, [adapter_edit(str(released))])
    planned = PlannedLlamaForCausalLM.from_dense(dense, plan)
    merged = merged_by_peft(released).model.layers
    assert len(planned.model.layers) == 4
    for stored, layer in zip(planned.model.layers, (0, 2, 3, 5), strict=True):
        for part, weight in merged[layer].state_dict().items():
            torch.testing.assert_close(stored.state_dict()[part], weight, rtol=1e-12, atol=1e-12)


def refused_everywhere(tmp_path, model, edit, line):
    """A model in memory and the engine's reader both refuse the edit, in one line."""
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match=rf"\Aedits: [^\n]*{line}[^\n]*this checkpoint\Z"):
        apply_edits(model, [edit])
    with pytest.raises(ValueError, match=rf"\Aedits: [^\n]*{line}[^\n]*this checkpoint\Z"):
        Engine.load(tmp_path / "model", dtype=torch.float64, edits=[edit])


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (tiny_dense(LAYERS - 1), r"model\.layers\.5\.\S+, which is not in the checkpoint"),
        (
            tiny_dense(LAYERS, Shape(heads=2)),
            r"down_proj.weight is \(16, 24\) in [^\n]*, but \(8, 24\) in",
        ),
        (
            tiny_dense(LAYERS, Shape(heads=6)),
            r"down_proj.weight is \(16, 24\) in [^\n]*, but \(24, 24\) in",
        ),
        (tiny_dense(LAYERS, Shape(kv_heads=4)), r"k_proj.weight is \(8, 16\) [^\n]* \(16, 16\) in"),
        (tiny_dense(LAYERS, Shape(kv_heads=1)), r"k_proj.weight is \(8, 16\) [^\n]* \(4, 16\) in"),
    ],
)
def test_adapters_of_other_models_are_refused(tmp_path, released, model, line):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    refused_everywhere(tmp_path, model, adapter_edit(str(released)), line)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_weights_of_layers_that_the_model_lacks_are_refused(tmp_path):
    file = tmp_path / "refit.safetensors"
    save_file({"model.layers.6.mlp.down_proj.weight": torch.ones(16, 24)}, file)
    edit = Refit(str(file), files_digest([file]))
    refused_everywhere(tmp_path, tiny_dense(LAYERS), edit, r"layers\.6\.mlp\S+, which is not in")


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_model.bin"])
def test_weights_that_were_not_fetched_are_refused(tmp_path, file):
    folder = write_released(tmp_path / "adapter", tiny_dense(LAYERS), file)
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ValueError, match=r"\Aadapter: [^\n]* cannot be read [^\n]*again\Z"):
        apply_edits(tiny_dense(LAYERS), [adapter_edit(str(folder))])


def test_files_are_read_once(tmp_path, monkeypatch):
    calls, load = [], adapter_file.load_file
    monkeypatch.setattr(adapter_file, "load_file", lambda file: calls.append(file) or load(file))
    edit = adapter_edit(str(write_released(tmp_path / "adapter", tiny_dense(LAYERS))))
    apply_edits(tiny_dense(LAYERS), [edit])
    assert edited_layers([edit]) == set(range(LAYERS))
    assert len(calls) == 1


def test_a_merged_variant_is_built_as_a_checkpoint_of_its_own(cqil, tiny_llama, tmp_path):
    """As README.md says."""
    dense = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    adapter = adapter_edit(str(write_released(tmp_path / "adapter", dense)))
    plan = uniform_plan(4, 1, 3, 2, bypass=1, target="ffn+residual")
    manifest = {
        "plan": plan.to_dict(),
        "edits": [adapter.to_dict()],
        "model": {"path": str(tiny_llama)},
    }
    (tmp_path / "variant.json").write_text(json.dumps(manifest))
    code, out, _ = cqil("build", "variant.json", "--out", "built")
    assert (code, out.split(":")[0]) == (0, plan.slug)
    built = AutoModelForCausalLM.from_pretrained(tmp_path / "built").eval()
    merged = PeftModel.from_pretrained(dense, adapter.path).merge_and_unload()
    with torch.inference_mode():
        found = built(tokens_of(1, 6)).logits
        expected = PlannedLlamaForCausalLM.from_dense(merged, plan)(tokens_of(1, 6)).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    texts = [cqil("generate", name, "--prompt", "a layer")[1] for name in ("variant.json", "built")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", RELEASED)
def test_names_tell_the_plans(name):
    released = RELEASED[name]
    model, _, slug = name.rpartition("-S")
    assert released.plan.slug.startswith(f"S{slug}")
    assert released.hub_id == f"LongWay89/{model}-LoRA-CQIL-S{slug}"
    assert (released.plan.bypass_target == "ffn+residual") == name.endswith("D1")
    assert released.plan.num_layers == (32 if model == "LLaMA-7B" else 40)


def test_a_released_name_is_fetched_from_the_hub(monkeypatch, released):
    asked = []

    def snapshot_download(hub_id, allow_patterns):
        asked.append((hub_id, allow_patterns))
        return str(released)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    edit = adapter_edit("LLaMA-7B-S12-E30-P2-D1")
    hub_id = "LongWay89/LLaMA-7B-LoRA-CQIL-S12-E30-P2-D1"
    assert asked == [(hub_id, ["adapter_config.json", "adapter_model.*"])]
    assert edit.made == {
        "method": "adapter",
        "source": "LLaMA-7B-S12-E30-P2-D1",
        "hub_id": hub_id,
        "base_model": "huggyllama/llama-7b",
        "r": RANK,
        "lora_alpha": RANK,
        "trained_for": "S12-E30-P2-D1-residual",
    }
    assert adapter_edit(hub_id).made["hub_id"] == hub_id
    local = adapter_edit(str(released))
    assert local == edit
    assert local.made["hub_id"] is local.made["base_model"] is None


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("LLaMA-7B-S12-E30-P2-D0", r"LLaMA-7B-S12-E30-P2-D0: [^\n]* give its directory"),
        ("owner/adapter", r"'owner/adapter' is no directory, [^\n]* give its directory"),
        ("LLaMA-7B-S12-E30-P2", r"'LLaMA-7B-S12-E30-P2' is no folder [^\n]*S14-E30-P4-D0"),
        ("./missing", r"there is no directory \./missing; [^\n]*"),
    ],
)
def test_adapters_that_are_not_there_are_refused_in_one_line(monkeypatch, source, line):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=rf"\Aadapter: {line}[^\n]*\Z"):
        adapter_edit(source)


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\Aadapter: [^\n]* holds no adapter_config.json"):
        adapter_edit(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{")
    Path(tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(ValueError, match=r"\Aadapter: [^\n]* is not JSON [^\n]*\Z"):
        adapter_edit(str(tmp_path))

"""Edits: one loader for readers and models; adapters as peft merges them; files that changed."""

import json

import pytest
import torch
from full_precision import full_float64
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from strategies import examples
from tiny_models import Shape, tiny_dense, tokens_of

from cqil import uniform_plan
from cqil.edits.adapter_file import adapter_files
from cqil.edits.digests import files_digest
from cqil.edits.edited_weights import apply_edits, edited_layers, edited_model, edited_reader
from cqil.edits.weight_edit import Adapter, LayerMerge, Refit, edits_from_dicts
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout
from cqil.modeling import PlannedLlamaForCausalLM

LAYERS = 4
PLAN = uniform_plan(LAYERS, 1, 3, 2)
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
pytestmark = [
    pytest.mark.usefixtures("full_float64"),
    # PEFT asks Transformers under a name that is on its way out.
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning"),
]


def dense():
    return tiny_dense(LAYERS, Shape(attention_bias=True))


def refit(folder, seed=0, name="down_proj"):
    """An edit that replaces one projection of layers 1 and 2."""
    generator, weights = torch.Generator().manual_seed(seed), dense().state_dict()
    names = [f"model.layers.{layer}.mlp.{name}.weight" for layer in (1, 2)]
    file = folder / f"refit{seed}.safetensors"
    save_file({n: torch.randn(weights[n].shape, generator=generator) for n in names}, file)
    return Refit(str(file), files_digest([file]))


def adapter(folder, **settings):
    """A LoRA adapter with random weights, as peft saves it."""
    torch.manual_seed(1)
    defaults = {"r": 2, "lora_alpha": 3, "target_modules": LINEAR, "init_lora_weights": False}
    get_peft_model(dense(), LoraConfig(**defaults | settings)).save_pretrained(folder)
    return Adapter(str(folder), files_digest(adapter_files(folder)))


def reader(model):
    weights = model.state_dict()
    return lambda name, *index: weights[name][index] if name in weights else None


def logits(model):
    with torch.inference_mode():
        return model(tokens_of(2, 7)).logits


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"target_modules": ["q_proj", "down_proj"], "layers_to_transform": [1, 3]},
        {"rank_pattern": {"q_proj": 3}, "alpha_pattern": {"q_proj": 5, "layers.1.mlp.up_proj": 7}},
    ],
)
def test_an_adapter_is_merged_as_peft_merges_it(tmp_path, settings):
    edit, edited = adapter(tmp_path, **settings), dense()
    apply_edits(edited, [edit])
    merged = PeftModel.from_pretrained(dense(), tmp_path).merge_and_unload()
    torch.testing.assert_close(logits(edited), logits(merged), rtol=1e-6, atol=1e-6)
    assert not torch.equal(logits(edited), logits(dense()))


@pytest.mark.parametrize("old", ["names", "file"])
def test_adapters_of_older_peft(tmp_path, old):
    edit, file = adapter(tmp_path), tmp_path / "adapter_model.safetensors"
    expected = dense()
    apply_edits(expected, [edit])
    weights = load_file(file)
    file.unlink()
    if old == "names":
        renamed = {name.replace(".weight", ".default.weight"): w for name, w in weights.items()}
        save_file(renamed, file)
    else:
        torch.save(weights, tmp_path / "adapter_model.bin")
    again = dense()
    apply_edits(again, [Adapter(str(tmp_path), files_digest(adapter_files(tmp_path)))])
    assert torch.equal(logits(again), logits(expected))


def edits(folder):
    merge = LayerMerge(0, (1,), "notebook")
    return [refit(folder), adapter(folder / "adapter"), merge, refit(folder, 1, "up_proj")]


@pytest.fixture(scope="module")
def some_edits(tmp_path_factory):
    return edits(tmp_path_factory.mktemp("edits"))


@settings(max_examples=examples(20))
@given(data=st.data())
def test_readers_and_models_are_edited_alike(some_edits, data):
    chosen = data.draw(st.lists(st.sampled_from(some_edits), max_size=4))
    model, before = dense(), dense()
    apply_edits(model, chosen)
    read = edited_reader(reader(before), chosen)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(read(name), weight, rtol=1e-12, atol=1e-12)
        rows = slice(0, max(1, len(weight) // 2))
        torch.testing.assert_close(read(name, rows), weight[rows], rtol=1e-12, atol=1e-12)
        if weight.dim() == 2:
            index = (slice(None), slice(1, 3))
            torch.testing.assert_close(read(name, *index), weight[index], rtol=1e-12, atol=1e-12)
    layers = edited_layers(chosen)
    changed = {
        int(name.split(".")[2])
        for name, weight in model.state_dict().items()
        if name.startswith("model.layers.") and not torch.equal(weight, before.state_dict()[name])
    }
    assert changed <= layers
    with edited_model(before, chosen):
        torch.testing.assert_close(logits(before), logits(model), rtol=1e-12, atol=1e-12)
    assert torch.equal(logits(before), logits(dense()))


def rank_logits(rank, path, chosen):
    options = EngineOptions(layout=Layout(group_parallel_size=2))
    with full_float64():
        engine = Engine.load(
            path, PLAN, dtype=torch.float64, rank=rank, options=options, edits=chosen
        )
        logits_BV = engine.prefill(tokens_of(2, 7), max_tokens=8)
    return None if logits_BV is None else logits_BV.tolist()


def test_reference_engine_and_ranks_are_edited_alike(some_edits, two_ranks, tmp_path):
    model = dense()
    model.save_pretrained(tmp_path)
    apply_edits(model, some_edits)
    expected = logits(PlannedLlamaForCausalLM.from_dense(model, PLAN))[:, -1]
    engine = Engine.load(tmp_path, PLAN, dtype=torch.float64, edits=some_edits)
    alone = engine.prefill(tokens_of(2, 7), max_tokens=8)
    torch.testing.assert_close(alone, expected, rtol=1e-9, atol=1e-9)
    for answer in two_ranks.run(rank_logits, str(tmp_path), some_edits):
        if answer is not None:
            found = torch.tensor(answer, dtype=torch.float64)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_edits_come_back_from_a_manifest(some_edits):
    written = json.loads(json.dumps([edit.to_dict() for edit in some_edits]))
    assert list(edits_from_dicts(written)) == some_edits
    with pytest.raises(ValueError, match=r"\Aedits.kind: 'graft' is unknown; use one of merge"):
        edits_from_dicts([written[0] | {"kind": "graft"}])


@pytest.mark.parametrize("make", [refit, adapter])
def test_other_weights_under_the_same_path_are_refused(tmp_path, make):
    edit = make(tmp_path)
    file = next(tmp_path.glob("*.safetensors"))
    save_file({name: w + 1 for name, w in load_file(file).items()}, file)
    with pytest.raises(ValueError, match=r"\Aedits: [^\n]* holds other weights [^\n]*\Z"):
        apply_edits(dense(), [edit])
    file.unlink()
    with pytest.raises(ValueError, match=r"\A(edits|adapter): [^\n]*\Z"):
        apply_edits(dense(), [edit])


def test_weights_of_another_shape_are_refused(tmp_path):
    file = tmp_path / "other.safetensors"
    save_file({"model.layers.1.mlp.down_proj.weight": torch.ones(2, 2)}, file)
    with pytest.raises(ValueError, match=r"\Aedits: [^\n]* is \(2, 2\) [^\n]* checkpoint\Z"):
        apply_edits(dense(), [Refit(str(file), files_digest([file]))])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"peft_type": "IA3"}, "is a IA3; give a LoRA adapter"),
        ({"use_dora": True}, "sets use_dora; merge"),
    ],
)
def test_adapters_that_do_more_are_refused(tmp_path, change, line):
    adapter(tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    edit = Adapter(str(tmp_path), files_digest(adapter_files(tmp_path)))
    with pytest.raises(ValueError, match=rf"\Aadapter: [^\n]*{line}"):
        apply_edits(dense(), [edit])

"""Manifests of models: what they tell, and models that are refused."""

import json
import shutil

import huggingface_hub.constants
import pytest
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, LlamaConfig

from benchmarks.models.manifest import open_manifest
from benchmarks.models.prepare_model import prepare_model
from benchmarks.results.files import read_json, sha256_files


def test_manifest_tells_depth_and_digest(tiny_llama, manifest):
    data = read_json(manifest)
    files = [tiny_llama / "model.safetensors", tiny_llama / "config.json"]
    settings = [tiny_llama / "generation_config.json", *tiny_llama.glob("tokenizer*")]
    states = {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}
    assert data == {
        "name": str(tiny_llama),
        "path": str(tiny_llama),
        "sha256": sha256_files(files),
        "settings_sha256": sha256_files(settings),
        "files": states,
        "num_layers": 4,
        "note": "",
    }


def test_other_architectures_are_refused(tmp_path):
    GPT2Config().save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*gpt2[^\n]*LLaMA[^\n]*\Z"):
        prepare_model(str(tmp_path / "gpt2"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folder_without_weights_is_refused(tmp_path):
    LlamaConfig().save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*bare[^\n]*safetensors[^\n]*\Z"):
        prepare_model(str(tmp_path / "bare"), None, tmp_path / "out")


def test_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*empty[^\n]*\Z"):
        prepare_model(str(tmp_path / "empty"), None, tmp_path / "out")


def test_hub_name_out_of_reach_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"\Amodel: 'nobody/nothing' [^\n]*\Z"):
        prepare_model("nobody/nothing", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_embedded_model_without_its_wheel_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\Amodel: 'smollm2-135m-instruct'[^\n]*wheel[^\n]*\Z"):
        prepare_model("smollm2-135m-instruct", None, tmp_path / "out")


@pytest.fixture
def copied(tiny_llama, tmp_path):
    """A copy of the tiny LLaMA, and the manifest that was written for it."""
    shutil.copytree(tiny_llama, tmp_path / "llama")
    prepare_model(str(tmp_path / "llama"), None, tmp_path / "out")
    return tmp_path / "llama", read_json(tmp_path / "out" / "manifest.json")


def test_a_moved_checkpoint_is_the_same(copied):
    folder, manifest = copied
    (folder / "model.safetensors").touch()
    assert open_manifest(manifest).path == folder


def test_other_weights_under_the_same_path_are_refused(copied):
    folder, manifest = copied
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] += 1
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"\Amodel: weights [^\n]*run the workflow again[^\n]*\Z"):
        open_manifest(manifest)


def test_another_tokenizer_is_refused(copied):
    folder, manifest = copied
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"add_bos_token": True}))
    with pytest.raises(ValueError, match=r"\Amodel: tokenizer [^\n]*\Z"):
        open_manifest(manifest)


def test_manifests_of_another_time_are_refused(copied):
    _, manifest = copied
    del manifest["files"]
    with pytest.raises(ValueError, match=r"\Amodel: the manifest lacks files; [^\n]*\Z"):
        open_manifest(manifest)


def test_what_is_left_out_is_told(copied, tmp_path):
    folder, _ = copied
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.bias"] = tensors["model.norm.weight"].clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    prepare_model(str(folder), None, tmp_path / "second")
    note = read_json(tmp_path / "second" / "manifest.json")["note"]
    assert note.startswith("1 stored tensors are left out")
    assert "model.layers.1.mlp.up_proj.bias" in note


@pytest.mark.parametrize("gone", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_folder_that_lacks_something_leaves_nothing_behind(copied, tmp_path, gone):
    folder, _ = copied
    (folder / gone).unlink()
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        prepare_model(str(folder), None, tmp_path / "second")
    assert not (tmp_path / "second").exists()

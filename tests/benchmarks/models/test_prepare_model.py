"""Manifests of models: what they tell, and models that are refused."""

import huggingface_hub.constants
import pytest
from transformers import GPT2Config, LlamaConfig

from benchmarks.models.prepare_model import prepare_model
from benchmarks.results.files import read_json, sha256_files


def test_manifest_tells_depth_and_digest(tiny_llama, manifest):
    data = read_json(manifest)
    files = [tiny_llama / "model.safetensors", tiny_llama / "config.json"]
    assert data == {
        "name": str(tiny_llama),
        "path": str(tiny_llama),
        "sha256": sha256_files(files),
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

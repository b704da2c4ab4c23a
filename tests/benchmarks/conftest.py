"""What tests of measurements share: manifest, variants and text of a tiny LLaMA on disk."""

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def manifest(tiny_llama, tmp_path_factory):
    """The manifest file of the tiny LLaMA."""
    from benchmarks.models.prepare_model import prepare_model

    folder = tmp_path_factory.mktemp("resources")
    prepare_model(str(tiny_llama), None, folder)
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def variants(manifest, tmp_path_factory):
    """Name -> variant, written and read again."""
    from measurements import VARIANTS

    from benchmarks.models.variants import read_variant, write_variant

    folder = tmp_path_factory.mktemp("variants")
    for name, options in VARIANTS.items():
        write_variant(name, options, manifest, None, None, folder / f"{name}.json")
    return {name: read_variant(folder / f"{name}.json") for name in VARIANTS}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A file of documents, as the workflow writes it."""
    from measurements import DOCUMENTS

    path = tmp_path_factory.mktemp("texts") / "tiny.jsonl"
    rows = [
        {"sha256": f"{i:064}", "part": part, "text": document}
        for part, documents in DOCUMENTS.items()
        for i, document in enumerate(documents)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def overflowing(tiny_llama, tmp_path):
    """A variant over weights that are finite in float16, whose activations are not."""
    from safetensors.torch import load_file, save_file

    from benchmarks.models.prepare_model import prepare_model
    from benchmarks.models.variants import Variant
    from benchmarks.results.files import read_json
    from cqil import dense_plan

    shutil.copytree(tiny_llama, tmp_path / "llama")
    tensors = load_file(tmp_path / "llama" / "model.safetensors")
    for part in ("gate", "up", "down"):
        tensors[f"model.layers.1.mlp.{part}_proj.weight"].fill_(3e4)
    save_file(tensors, tmp_path / "llama" / "model.safetensors", {"format": "pt"})
    prepare_model(str(tmp_path / "llama"), None, tmp_path / "prepared")
    manifest = read_json(tmp_path / "prepared" / "manifest.json")
    return Variant("dense", "dense", dense_plan(4), manifest)

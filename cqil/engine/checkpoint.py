"""Reads LLaMA tensors straight from safetensors shards, one tensor at a time."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open

from cqil.engine.weights import Read

INDEX = "model.safetensors.index.json"


def open_shards(folder: Path, dtype: torch.dtype, device: str) -> Read:
    """A reader over the shards of `folder`. Raises ValueError where one is gone, or all."""
    shard_of = _shards(folder)
    if gone := sorted({shard for shard in shard_of.values() if not (folder / shard).exists()}):
        raise ValueError(f"{folder}: shard {gone[0]} is missing; fetch the checkpoint again")

    def read(name: str) -> torch.Tensor | None:
        if name not in shard_of:
            return None
        with safe_open(folder / shard_of[name], framework="pt", device=device) as shard:
            return shard.get_tensor(name).to(dtype)

    return read


def _shards(folder: Path) -> dict[str, str]:
    """Tensor name -> file name."""
    if (folder / INDEX).exists():
        return json.loads((folder / INDEX).read_text())["weight_map"]
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder}: holds no *.safetensors; save the model as safetensors")
    found: dict[str, str] = {}
    for file in files:
        with safe_open(file, framework="pt") as shard:
            found |= dict.fromkeys(shard.keys(), file.name)
    return found

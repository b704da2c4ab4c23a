"""Reads LLaMA tensors from safetensors shards: one tensor, or a slice of one, at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from cqil.engine.weights.tensor_reader import TensorReader

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Name of a dtype, as configurations and commands use it -> dtype."""
INDEX_FILE = "model.safetensors.index.json"
"""File of a checkpoint in several shards that says which tensor is where."""


def open_safetensors(folder: Path, dtype: torch.dtype, device: str) -> TensorReader:
    """A reader over the shards of `folder`. Raises ValueError where one is missing or damaged."""
    shard_of = _shards(folder)
    if missing := sorted({name for name in shard_of.values() if not (folder / name).exists()}):
        raise ValueError(f"{folder}: shard {missing[0]} is missing; fetch the checkpoint again")

    def read(name: str, *index: slice) -> torch.Tensor | None:
        if name not in shard_of:
            return None
        with _opened(folder / shard_of[name], device) as shard:
            return shard.get_slice(name)[index or ...].to(dtype)

    return read


def _shards(folder: Path) -> dict[str, str]:
    """Tensor name -> file name."""
    if (folder / INDEX_FILE).exists():
        return json.loads((folder / INDEX_FILE).read_text())["weight_map"]
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder}: holds no *.safetensors; save the model as safetensors")
    shard_of: dict[str, str] = {}
    for file in files:
        with _opened(file, "cpu") as shard:
            shard_of |= dict.fromkeys(shard.keys(), file.name)
    return shard_of


@contextmanager
def _opened(file: Path, device: str) -> Iterator[safe_open]:
    try:
        with safe_open(file, framework="pt", device=device) as shard:
            yield shard
    except SafetensorError as error:
        raise ValueError(f"{file}: is damaged ({error}); fetch the checkpoint again") from None

"""Readers of weights by name, and the checks that each weight must pass."""

from __future__ import annotations

from typing import Protocol

import torch
from transformers import LlamaConfig

WHOLE = slice(None)
"""All rows, or all columns."""


class TensorReader(Protocol):
    """Returns a tensor by its LLaMA name, or its slice `index`; None where there is none."""

    def __call__(self, name: str, *index: slice) -> torch.Tensor | None: ...


def read_weight(read: TensorReader, name: str, *index: slice) -> torch.Tensor:
    """The tensor. Raises ValueError where it is missing, or holds NaN or infinity."""
    tensor = read(name, *index)
    if tensor is None:
        raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
    if not all(bool(torch.isfinite(extreme)) for extreme in tensor.aminmax()):
        raise ValueError(f"{name}: holds NaN or infinity; the checkpoint is damaged")
    return tensor


def has_bias(config: LlamaConfig, name: str) -> bool:
    """Whether the configuration gives the named part of a layer a bias."""
    return ("self_attn." in name and config.attention_bias) or ("mlp." in name and config.mlp_bias)


def with_biases(config: LlamaConfig, read: TensorReader) -> TensorReader:
    """A reader that returns a bias only where the configuration says so, as Transformers does.

    It raises ValueError where such a bias is missing or not finite.
    """

    def checked(name: str, *index: slice) -> torch.Tensor | None:
        if not name.endswith(".bias"):
            return read(name, *index)
        return read_weight(read, name, *index) if has_bias(config, name) else None

    return checked

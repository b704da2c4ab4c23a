"""Random weights of LLaMA shapes, only for timing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.cost_model.model_shapes import ModelShape
from cqil.checkpoint.tensor_names import expected_shapes


def llama_config(shape: ModelShape, **options: Any) -> LlamaConfig:
    """The configuration of a LLaMA of this shape; `options` are further fields."""
    return LlamaConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        **options,
    )


def random_reader(
    config: LlamaConfig, device: str, dtype: torch.dtype | None = None
) -> Callable[..., torch.Tensor | None]:
    """A TensorReader that makes each tensor when it is read; norms are 1, other weights normal.

    `dtype` defaults to bfloat16 on CUDA and to float32 on other devices.
    """
    shapes = expected_shapes(config)
    dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)

    def read(name: str, *index: slice) -> torch.Tensor | None:
        if name not in shapes:
            return None
        tensor = torch.empty(shapes[name], device=device, dtype=dtype)
        return (tensor.fill_(1) if "norm" in name else tensor.normal_(std=0.02))[index]

    return read


def random_model(config: LlamaConfig, device: str) -> LlamaForCausalLM:
    """A model of Transformers with its initial weights; bfloat16 on CUDA, else float32."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = LlamaForCausalLM._from_config(config, dtype=dtype)
    return model.eval()

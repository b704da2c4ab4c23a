"""Random weights of LLaMA shapes, for timing alone. Needs torch and transformers only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cqil.plan import dense_plan


def random_reader(
    config: LlamaConfig, device: str, dtype: torch.dtype | None = None
) -> Callable[..., torch.Tensor | None]:
    """Tensors of the shapes that the configuration names, made when they are asked for."""
    from cqil.engine.weights.checkpoint_checks import weight_shapes

    wanted = weight_shapes(config, dense_plan(config.num_hidden_layers))
    dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)

    def read(name: str, *index: slice) -> torch.Tensor | None:
        if name not in wanted:
            return None
        tensor = torch.empty(wanted[name], device=device, dtype=dtype)
        return (tensor.fill_(1) if "norm" in name else tensor.normal_(std=0.02))[index]

    return read


def random_model(config: LlamaConfig, device: str) -> LlamaForCausalLM:
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = LlamaForCausalLM._from_config(config, dtype=dtype)
    return model.eval()

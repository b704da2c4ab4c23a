"""The tensors of a LLaMA by name: which the configuration expects, and where each one lies.

Names are those of `LlamaForCausalLM`. As in Transformers, a file may leave out the prefix `model.`
or have it once too often, and tensors that the model has no place for are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cqil.checkpoint.weight_files import StoredTensor
from cqil.errors import one_line
from cqil.plan import LayerPlan

PREFIX, LAYERS = "model.", "model.layers."
EMBEDDING, LM_HEAD = "model.embed_tokens.weight", "lm_head.weight"
OLD_BUFFER = "rotary_emb.inv_freq"
"""Buffers of LLaMAs of 2023, which are computed today."""


def expected_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the model, tied ones under both names.

    Raises ValueError with one line where Transformers builds no model of the configuration.
    """
    try:
        with torch.device("meta"):
            model = LlamaForCausalLM(config)
    except Exception as error:  # e.g. KeyError for a rope type that lacks a parameter
        reason = one_line(error)
        raise ValueError(
            f"model: Transformers builds no LLaMA of config.json ({type(error).__name__}: {reason})"
            "; correct it"
        ) from None
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def in_layer(name: str) -> tuple[int, str] | None:
    """Number of the layer and the rest of the name; None for a tensor outside of layers."""
    if not name.startswith(LAYERS):
        return None
    number, part = name.removeprefix(LAYERS).split(".", 1)
    return int(number), part


def name_in_dense(name: str, plan: LayerPlan) -> str:
    """The name in the dense model of a tensor of the plan's model, which numbers layers anew."""
    if (found := in_layer(name)) is None:
        return name
    layer, part = found
    return f"{LAYERS}{plan.stored_layers[layer]}.{part}"


def match_names(
    stored: Mapping[str, StoredTensor], expected: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, StoredTensor], list[str]]:
    """Name of the model -> stored tensor, and the stored names that the model has no place for."""
    matched: dict[str, StoredTensor] = {}
    unused: list[str] = []
    for name, tensor in stored.items():
        target = _name_in_model(name, expected)
        if target is None:
            unused += [name] * (not name.endswith(OLD_BUFFER))
        elif target in matched:
            raise ValueError(
                f"{target}: is stored twice, as {matched[target].name} and {name}; remove one"
            )
        else:
            matched[target] = tensor
    return matched, unused


def check_shapes(
    matched: Mapping[str, StoredTensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Raises ValueError for a tensor that is missing or of another shape."""
    for name, shape in expected.items():
        if name not in matched:
            raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
        if (stored := matched[name].shape) != shape:
            raise ValueError(f"{name}: is {stored}, but config.json says {shape}; they differ")


def _name_in_model(name: str, expected: Mapping[str, tuple[int, ...]]) -> str | None:
    shorter, longer = name.removeprefix(PREFIX), PREFIX + name
    return next((known for known in (name, shorter, longer) if known in expected), None)

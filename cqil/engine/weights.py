"""A stage's weights, packed so that p layers cost about as many products as one.

Norm gains are folded into the projections that follow them, so layers that share an input share its
norm. Q, K and V of all layers are one product; attention outputs and MLP inputs differ from layer
to layer and are batched; down projections lie side by side, so their sum is one product. Weights
lie input by output: for one token, CPUs multiply that layout up to 1.8 times faster.
Shape suffixes: P layers of the stage, H hidden size, A query heads x head size, O rows of Q, K and
V of all layers, G gate and up of one layer, M intermediate size of all layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from cqil.plan import Stage

Read = Callable[[str], torch.Tensor | None]
"""Tensor by its LLaMA name, or None where the checkpoint has none (a bias)."""


@dataclass(frozen=True)
class StageWeights:
    stage: Stage
    """Original indices of the layers."""
    qkv_HO: torch.Tensor
    qkv_bias_O: torch.Tensor | None
    out_PAH: torch.Tensor
    out_bias_PH: torch.Tensor | None
    gate_up_PHG: torch.Tensor
    gate_up_bias_PG: torch.Tensor | None
    down_MH: torch.Tensor
    down_bias_H: torch.Tensor | None
    """Summed over the layers, as their outputs are."""


def pack_stage(stage: Stage, read: Read) -> StageWeights:
    """`read` reads a dense checkpoint, whose layers have their original indices.

    Raises ValueError for a weight that is missing or not finite.
    """
    prefixes = [f"model.layers.{layer}" for layer in stage]
    qkv, qkv_bias = zip(*(_qkv(prefix, read) for prefix in prefixes), strict=True)
    gate_up, gate_up_bias = zip(*(_gate_up(prefix, read) for prefix in prefixes), strict=True)
    down = [weight(read, f"{prefix}.mlp.down_proj.weight").T for prefix in prefixes]
    down_bias = [read(f"{prefix}.mlp.down_proj.bias") for prefix in prefixes]
    out = [weight(read, f"{prefix}.self_attn.o_proj.weight").T for prefix in prefixes]
    out_bias = [read(f"{prefix}.self_attn.o_proj.bias") for prefix in prefixes]
    return StageWeights(
        stage=stage,
        qkv_HO=torch.cat([part for kind in zip(*qkv, strict=True) for part in kind]).T.contiguous(),
        qkv_bias_O=_joined([part for kind in zip(*qkv_bias, strict=True) for part in kind]),
        out_PAH=torch.stack(out).contiguous(),
        out_bias_PH=_stacked(out_bias),
        gate_up_PHG=torch.stack(gate_up).contiguous(),
        gate_up_bias_PG=_stacked([_joined(pair) for pair in gate_up_bias]),
        down_MH=torch.cat(down).contiguous(),
        down_bias_H=None if (biases := _stacked(down_bias)) is None else biases.sum(0),
    )


def weight(read: Read, name: str) -> torch.Tensor:
    """Raises ValueError where the tensor is missing or holds NaN or infinity."""
    tensor = read(name)
    if tensor is None:
        raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name}: holds NaN or infinity; the checkpoint is damaged")
    return tensor


def _qkv(prefix: str, read: Read) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    gain_H = weight(read, f"{prefix}.input_layernorm.weight")
    names = [f"{prefix}.self_attn.{kind}_proj" for kind in "qkv"]
    folded = [_fold(weight(read, f"{name}.weight"), gain_H) for name in names]
    return folded, [read(f"{name}.bias") for name in names]


def _gate_up(prefix: str, read: Read) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    gain_H = weight(read, f"{prefix}.post_attention_layernorm.weight")
    names = [f"{prefix}.mlp.{kind}_proj" for kind in ("gate", "up")]
    folded = torch.cat([_fold(weight(read, f"{name}.weight"), gain_H) for name in names])
    return folded.T, [read(f"{name}.bias") for name in names]


def _fold(weight_OH: torch.Tensor, gain_H: torch.Tensor) -> torch.Tensor:
    """Multiplied in at least float32, then rounded once."""
    exact = torch.promote_types(weight_OH.dtype, torch.float32)
    return (weight_OH.to(exact) * gain_H.to(exact)).to(weight_OH.dtype)


def _joined(parts: list[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None


def _stacked(parts: list[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.stack(present) if present else None

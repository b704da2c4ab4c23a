"""One rank's weights of a stage, packed so that p layers cost about as many products as one.

Norm gains are folded into the projections that follow them, so layers that share an input share its
norm. Q, K and V of all layers are one product; attention outputs and MLP inputs differ from layer
to layer and are batched; down projections lie side by side, so their sum is one product. Weights
lie input by output: for one token, CPUs multiply that layout up to 1.8 times faster.
A rank reads only its own heads and columns. Shape suffixes: P layers, H hidden size, A query heads
x head size, O rows of Q, K and V of all layers, G gate and up of one layer, M intermediate size of
all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from cqil.engine.heads import Heads
from cqil.engine.layout import Shard

ALL = slice(None)


class Read(Protocol):
    """A tensor by its LLaMA name, or the part of it that `index` names; None where it is absent."""

    def __call__(self, name: str, *index: slice) -> torch.Tensor | None: ...


@dataclass(frozen=True)
class AttentionWeights:
    qkv_HO: torch.Tensor
    qkv_bias_O: torch.Tensor | None
    out_PAH: torch.Tensor
    out_bias_PH: torch.Tensor | None


@dataclass(frozen=True)
class MlpWeights:
    gate_up_PHG: torch.Tensor
    gate_up_bias_PG: torch.Tensor | None
    down_MH: torch.Tensor
    down_bias_H: torch.Tensor | None
    """Summed over the layers, as their outputs are."""


def pack_attention(
    layers: Sequence[int], heads: Heads, first: bool, read: Read
) -> AttentionWeights:
    """The attentions of `layers`, with this rank's `heads`. Raises ValueError as `weight` does.

    Output biases belong to the first shard alone, since shards are summed.
    """
    names = [f"model.layers.{layer}" for layer in layers]
    qkv, biases = zip(*(_qkv(name, heads, read) for name in names), strict=True)
    out = [
        weight(read, f"{name}.self_attn.o_proj.weight", ALL, heads.query_rows).T for name in names
    ]
    out_bias = [read(f"{name}.self_attn.o_proj.bias") if first else None for name in names]
    return AttentionWeights(
        qkv_HO=_cat([part for kind in zip(*qkv, strict=True) for part in kind], dim=1),
        qkv_bias_O=_joined([part for kind in zip(*biases, strict=True) for part in kind]),
        out_PAH=torch.stack(out).contiguous(),
        out_bias_PH=_stacked(out_bias),
    )


def pack_mlp(layers: Sequence[int], shard: Shard, intermediate: int, read: Read) -> MlpWeights:
    """The MLPs of `layers`, with this rank's part of the `intermediate` columns. Raises alike."""
    names = [f"model.layers.{layer}" for layer in layers]
    columns = shard.of(intermediate)
    gate_up, biases = zip(*(_gate_up(name, columns, read) for name in names), strict=True)
    down = [weight(read, f"{name}.mlp.down_proj.weight", ALL, columns).T for name in names]
    down_bias = [read(f"{name}.mlp.down_proj.bias") for name in names] if shard.index == 0 else []
    return MlpWeights(
        gate_up_PHG=torch.stack(gate_up).contiguous(),
        gate_up_bias_PG=_stacked([_joined(pair) for pair in biases]),
        down_MH=_cat(down, dim=0),
        down_bias_H=None if (summed := _stacked(down_bias)) is None else summed.sum(0),
    )


def weight(read: Read, name: str, *index: slice) -> torch.Tensor:
    """Raises ValueError where the tensor is missing or holds NaN or infinity."""
    tensor = read(name, *index)
    if tensor is None:
        raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
    if not all(bool(torch.isfinite(extreme)) for extreme in tensor.aminmax()):
        raise ValueError(f"{name}: holds NaN or infinity; the checkpoint is damaged")
    return tensor


def _qkv(
    name: str, heads: Heads, read: Read
) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    gain_H = weight(read, f"{name}.input_layernorm.weight")
    rows = {"q": heads.query_rows, "k": heads.key_rows, "v": heads.key_rows}
    names = {f"{name}.self_attn.{kind}_proj": part for kind, part in rows.items()}
    folded = [_fold(weight(read, f"{n}.weight", part, ALL), gain_H) for n, part in names.items()]
    return folded, [read(f"{n}.bias", part) for n, part in names.items()]


def _gate_up(
    name: str, columns: slice, read: Read
) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    gain_H = weight(read, f"{name}.post_attention_layernorm.weight")
    names = [f"{name}.mlp.{kind}_proj" for kind in ("gate", "up")]
    folded = [_fold(weight(read, f"{n}.weight", columns, ALL), gain_H) for n in names]
    return torch.cat(folded, dim=1), [read(f"{n}.bias", columns) for n in names]


def _fold(weight_OH: torch.Tensor, gain_H: torch.Tensor) -> torch.Tensor:
    """[H, O]. Multiplied in at least float32, then rounded once."""
    exact = torch.promote_types(weight_OH.dtype, torch.float32)
    return (weight_OH.to(exact) * gain_H.to(exact)).to(weight_OH.dtype).T


def _cat(parts: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    """Joined and laid out row by row."""
    return torch.cat([part.contiguous() for part in parts], dim=dim)


def _joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None


def _stacked(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.stack(present) if present else None

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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import LlamaConfig

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
    # All queries lie before all keys, and these before all values.
    kinds = [(kind, heads.query_rows if kind == "q" else heads.key_rows) for kind in "qkv"]
    wanted = [
        (name, f"{name}.self_attn.{kind}_proj", rows) for kind, rows in kinds for name in names
    ]
    outs = [f"{name}.self_attn.o_proj" for name in names]
    gains = {name: weight(read, f"{name}.input_layernorm.weight") for name in names}
    parts = ((weight(read, f"{n}.weight", rows, ALL), gains[name]) for name, n, rows in wanted)
    out = (weight(read, f"{name}.weight", ALL, heads.query_rows).T for name in outs)
    width, rows = sum(_size(part) for *_, part in wanted), _size(heads.query_rows)
    return AttentionWeights(
        qkv_HO=_filled((_folded(part, gain) for part, gain in parts), width, dim=1),
        qkv_bias_O=_joined([read(f"{name}.bias", part) for _, name, part in wanted]),
        out_PAH=_filled(out, len(names) * rows, dim=0).unflatten(0, (len(names), rows)),
        out_bias_PH=_stacked([read(f"{name}.bias") if first else None for name in outs]),
    )


def pack_mlp(
    layers: Sequence[int], shard: Shard, hidden: int, intermediate: int, read: Read
) -> MlpWeights:
    """The MLPs of `layers`, with this rank's part of the `intermediate` columns. Raises alike."""
    names = [f"model.layers.{layer}" for layer in layers]
    columns = shard.of(intermediate)
    downs = [f"{name}.mlp.down_proj" for name in names]
    gate_up = (_gate_up(name, columns, read) for name in names)
    down = (weight(read, f"{name}.weight", ALL, columns).T for name in downs)
    down_bias = _stacked([read(f"{name}.bias") if shard.index == 0 else None for name in downs])
    return MlpWeights(
        gate_up_PHG=_filled(gate_up, len(names) * hidden, dim=0).unflatten(0, (len(names), hidden)),
        gate_up_bias_PG=_stacked([_gate_up_bias(name, columns, read) for name in names]),
        down_MH=_filled(down, len(names) * _size(columns), dim=0),
        down_bias_H=None if down_bias is None else down_bias.sum(0),
    )


def has_bias(config: LlamaConfig, name: str) -> bool:
    """Whether the configuration gives the part of a layer a bias."""
    return ("self_attn." in name and config.attention_bias) or ("mlp." in name and config.mlp_bias)


def with_biases(config: LlamaConfig, read: Read) -> Read:
    """Biases are there where the configuration says so and nowhere else, as in Transformers.

    One that is missing or damaged raises ValueError as `weight` does.
    """

    def checked(name: str, *index: slice) -> torch.Tensor | None:
        if not name.endswith(".bias"):
            return read(name, *index)
        return weight(read, name, *index) if has_bias(config, name) else None

    return checked


def weight(read: Read, name: str, *index: slice) -> torch.Tensor:
    """Raises ValueError where the tensor is missing or holds NaN or infinity."""
    tensor = read(name, *index)
    if tensor is None:
        raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
    if not all(bool(torch.isfinite(extreme)) for extreme in tensor.aminmax()):
        raise ValueError(f"{name}: holds NaN or infinity; the checkpoint is damaged")
    return tensor


def _gate_up(name: str, columns: slice, read: Read) -> torch.Tensor:
    """[H, G]."""
    gain_H = weight(read, f"{name}.post_attention_layernorm.weight")
    kinds = [f"{name}.mlp.{kind}_proj.weight" for kind in ("gate", "up")]
    folded = (_folded(weight(read, kind, columns, ALL), gain_H) for kind in kinds)
    return _filled(folded, 2 * _size(columns), dim=1)


def _gate_up_bias(name: str, columns: slice, read: Read) -> torch.Tensor | None:
    return _joined([read(f"{name}.mlp.{kind}_proj.bias", columns) for kind in ("gate", "up")])


def _size(part: slice) -> int:
    return part.stop - part.start


def _folded(weight_OH: torch.Tensor, gain_H: torch.Tensor) -> torch.Tensor:
    """[H, O]. Multiplied in at least float32, then rounded once."""
    exact = torch.promote_types(weight_OH.dtype, torch.float32)
    return (weight_OH.to(exact) * gain_H.to(exact)).to(weight_OH.dtype).T


def _filled(parts: Iterable[torch.Tensor], total: int, dim: int) -> torch.Tensor:
    """Parts side by side, `total` along `dim`. Each is dropped before the next is made, so that
    packing takes little memory beside its result."""
    packed: torch.Tensor | None = None
    end = 0
    for part in parts:
        size = part.shape[dim]
        if packed is None:
            if size == total:
                return part.contiguous()
            packed = part.new_empty([total if d == dim else n for d, n in enumerate(part.shape)])
        packed.narrow(dim, end, size).copy_(part)
        end += size
    assert packed is not None
    return packed


def _joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None


def _stacked(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.stack(present) if present else None

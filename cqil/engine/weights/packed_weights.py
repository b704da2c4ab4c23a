"""One rank's weights of a stage, packed so that P layers need about as many products as one.

Norm weights are folded into the projections that follow them, so layers that share an input share
its norm. Q, K and V of all layers are one product. Attention outputs and MLP inputs differ from
layer to layer and are batched. Down projections are concatenated, so their sum is one product.
Weights are stored input by output: for one token, CPUs multiply that up to 1.8 times faster. A rank
reads the heads and columns that it computes, and no others.

Shape suffixes: P layers, H hidden size, A query heads x head size, O columns of Q, K and V of all
layers, G gate and up of one layer, M intermediate size of all layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from cqil.checkpoint.tensor_reader import WHOLE, TensorReader, read_bias, read_weight
from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.layout import Shard, slice_length
from cqil.modeling.precision import at_least_float32


@dataclass(frozen=True)
class AttentionWeights:
    """Attention of all layers of a stage."""

    qkv_HO: torch.Tensor
    """Queries of all layers, then their keys, then their values."""
    qkv_bias_O: torch.Tensor | None
    out_PAH: torch.Tensor
    out_bias_PH: torch.Tensor | None


@dataclass(frozen=True)
class MlpWeights:
    """MLPs of all layers of a stage."""

    gate_up_PHG: torch.Tensor
    gate_up_bias_PG: torch.Tensor | None
    down_MH: torch.Tensor
    down_bias_H: torch.Tensor | None
    """The sum over layers, since their outputs are summed."""


def pack_attention(
    layers: Sequence[int], heads: AttentionHeads, first: bool, read: TensorReader
) -> AttentionWeights:
    """The attentions of `layers`, with this rank's `heads`.

    Only the `first` shard has the output biases, since shards are summed. Raises ValueError for
    weights that are missing or not finite.
    """
    names = [f"model.layers.{layer}" for layer in layers]
    rows_of = {"q": heads.query_rows, "k": heads.kv_rows, "v": heads.kv_rows}
    projections = [
        (name, f"{name}.self_attn.{part}_proj", rows)
        for part, rows in rows_of.items()
        for name in names
    ]
    norms = {name: read_weight(read, f"{name}.input_layernorm.weight") for name in names}
    # A generator, so that only one projection is in memory beside the packed ones.
    folded = (
        _folded(read_weight(read, f"{projection}.weight", rows, WHOLE), norms[name])
        for name, projection, rows in projections
    )
    outputs = [f"{name}.self_attn.o_proj" for name in names]
    transposed = (
        read_weight(read, f"{name}.weight", WHOLE, heads.query_rows).T for name in outputs
    )
    columns = sum(slice_length(rows) for *_, rows in projections)
    width = slice_length(heads.query_rows)
    return AttentionWeights(
        qkv_HO=_concatenated(folded, columns, dim=1),
        qkv_bias_O=_joined(
            [read_bias(read, f"{name}.bias", rows) for _, name, rows in projections]
        ),
        out_PAH=_concatenated(transposed, len(names) * width, dim=0).unflatten(
            0, (len(names), width)
        ),
        out_bias_PH=_stacked(
            [read_bias(read, f"{name}.bias") if first else None for name in outputs]
        ),
    )


def pack_mlp(
    layers: Sequence[int], shard: Shard, hidden: int, intermediate: int, read: TensorReader
) -> MlpWeights:
    """The MLPs of `layers`, with this rank's piece of the `intermediate` columns.

    Raises ValueError for weights that are missing or not finite.
    """
    names = [f"model.layers.{layer}" for layer in layers]
    columns = shard.of(intermediate)
    down_projections = [f"{name}.mlp.down_proj" for name in names]
    gate_up = (_gate_up(name, columns, read) for name in names)
    down = (read_weight(read, f"{name}.weight", WHOLE, columns).T for name in down_projections)
    down_bias = _stacked(
        [read_bias(read, f"{name}.bias") if shard.index == 0 else None for name in down_projections]
    )
    return MlpWeights(
        gate_up_PHG=_concatenated(gate_up, len(names) * hidden, dim=0).unflatten(
            0, (len(names), hidden)
        ),
        gate_up_bias_PG=_stacked([_gate_up_bias(name, columns, read) for name in names]),
        down_MH=_concatenated(down, len(names) * slice_length(columns), dim=0),
        down_bias_H=None if down_bias is None else down_bias.sum(0),
    )


def _gate_up(name: str, columns: slice, read: TensorReader) -> torch.Tensor:
    """[H, G] of one layer."""
    norm_weight_H = read_weight(read, f"{name}.post_attention_layernorm.weight")
    projections = [f"{name}.mlp.{part}_proj.weight" for part in ("gate", "up")]
    folded = (_folded(read_weight(read, p, columns, WHOLE), norm_weight_H) for p in projections)
    return _concatenated(folded, 2 * slice_length(columns), dim=1)


def _gate_up_bias(name: str, columns: slice, read: TensorReader) -> torch.Tensor | None:
    """[G] of one layer."""
    return _joined(
        [read_bias(read, f"{name}.mlp.{part}_proj.bias", columns) for part in ("gate", "up")]
    )


def _folded(weight_OH: torch.Tensor, norm_weight_H: torch.Tensor) -> torch.Tensor:
    """[H, O]: the product of both, rounded once."""
    folded_OH = at_least_float32(weight_OH) * at_least_float32(norm_weight_H)
    return folded_OH.to(weight_OH.dtype).T


def _concatenated(parts: Iterable[torch.Tensor], length: int, dim: int) -> torch.Tensor:
    """The parts concatenated along `dim`, where they have `length` entries in total.

    Each part is freed before the next is made, so that packing needs little extra memory.
    """
    packed: torch.Tensor | None = None
    end = 0
    for part in parts:
        size = part.shape[dim]
        if packed is None:
            if size == length:
                return part.contiguous()
            packed = part.new_empty([length if d == dim else n for d, n in enumerate(part.shape)])
        packed.narrow(dim, end, size).copy_(part)
        end += size
    assert packed is not None
    return packed


def _joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """The biases that are present, in one dimension; None where there are none."""
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None


def _stacked(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """The biases that are present, one row each; None where there are none."""
    present = [part for part in parts if part is not None]
    return torch.stack(present) if present else None

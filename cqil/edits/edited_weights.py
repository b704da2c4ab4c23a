"""Applies edits: to a reader of single tensors, or to a model in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import torch
from transformers import LlamaForCausalLM

from cqil.checkpoint.tensor_names import LAYERS, in_layer
from cqil.checkpoint.tensor_reader import TensorReader, read_weight
from cqil.edits.adapter_file import adapter_names, adapter_reader
from cqil.edits.merging import merged_reader
from cqil.edits.refit_file import refit_names, refit_reader
from cqil.edits.weight_edit import LayerMerge, Refit, WeightEdit


def edited_reader(read: TensorReader, edits: Sequence[WeightEdit]) -> TensorReader:
    """A reader of the weights after the edits, one after the other.

    Raises ValueError where the file of an edit is missing or holds something else.
    """
    return reduce(_edited_once, edits, read)


def _edited_once(read: TensorReader, edit: WeightEdit) -> TensorReader:
    if isinstance(edit, LayerMerge):
        return merged_reader(read, edit)
    return refit_reader(read, edit) if isinstance(edit, Refit) else adapter_reader(read, edit)


def edited_layers(edits: Sequence[WeightEdit]) -> frozenset[int]:
    """Layers of the dense model whose weights the edits change."""
    layers: set[int] = set()
    for edit in edits:
        if isinstance(edit, LayerMerge):
            layers.add(edit.into)
            continue
        names = refit_names(edit) if isinstance(edit, Refit) else adapter_names(edit)
        layers |= {place[0] for place in map(in_layer, names) if place is not None}
    return frozenset(layers)


@torch.no_grad()
def edited_weights(dense: LlamaForCausalLM, edits: Sequence[WeightEdit]) -> dict[str, torch.Tensor]:
    """All weights of the layers that the edits change, by name; `dense` stays as it is.

    Raises ValueError as `edited_reader` does.
    """
    weights = dense.state_dict()

    def read(name: str, *index: slice) -> torch.Tensor | None:
        return weights[name][index] if name in weights else None

    edited = edited_reader(read, edits)
    prefixes = tuple(f"{LAYERS}{layer}." for layer in edited_layers(edits))
    return {name: read_weight(edited, name) for name in weights if name.startswith(prefixes)}


def apply_edits(dense: LlamaForCausalLM, edits: Sequence[WeightEdit]) -> None:
    """Changes the model in place, one edit after the other. Raises as `edited_reader` does."""
    dense.load_state_dict(edited_weights(dense, edits), strict=False)


@contextmanager
@torch.no_grad()
def edited_model(dense: LlamaForCausalLM, edits: Sequence[WeightEdit]) -> Iterator[None]:
    """The model is edited inside of the block; copies of the changed layers alone are held."""
    layers = {layer: dense.model.layers[layer] for layer in edited_layers(edits)}
    before = {
        number: {name: weight.clone() for name, weight in layer.state_dict().items()}
        for number, layer in layers.items()
    }
    try:
        apply_edits(dense, edits)
        yield
    finally:
        for number, layer in layers.items():
            layer.load_state_dict(before[number])

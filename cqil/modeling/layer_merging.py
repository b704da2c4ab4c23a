"""Layers whose weights take in those of the layers after them (LaCo, arXiv 2402.11187)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import torch
from transformers import LlamaForCausalLM

from cqil.checkpoint.tensor_reader import TensorReader, read_weight
from cqil.methods.evidence import LayerMerge

LAYERS = "model.layers."
PROJECTION = "_proj.weight"
"""How the names of the weights end that the notebook merges."""


def merged_reader(read: TensorReader, merges: Sequence[LayerMerge]) -> TensorReader:
    """A reader of the weights after the merges, one after the other; slices are merged alone."""
    return reduce(_merged_once, merges, read)


def _merged_once(read: TensorReader, merge: LayerMerge) -> TensorReader:
    into = f"{LAYERS}{merge.into}."

    def merged(name: str, *index: slice) -> torch.Tensor | None:
        first = read(name, *index)
        if first is None or not name.startswith(into):
            return first
        part = name.removeprefix(into)
        names = (f"{LAYERS}{layer}.{part}" for layer in merge.taken)
        return _merged(part, first, [read_weight(read, taken, *index) for taken in names], merge)

    return merged


def _merged(
    part: str, first: torch.Tensor, taken: Sequence[torch.Tensor], merge: LayerMerge
) -> torch.Tensor:
    """One tensor of the layer that takes in the others.

    `paper`: w + sum over taken layers of (w_taken - w). `notebook`: the same loop over weights that
    were already updated, which telescopes to the last layer's; norms and biases stay the first's.
    """
    if merge.rule == "notebook":
        return taken[-1] if part.endswith(PROJECTION) else first
    return first + torch.stack([other - first for other in taken]).sum(0)


@torch.no_grad()
def apply_merges(dense: LlamaForCausalLM, merges: Sequence[LayerMerge]) -> None:
    """Changes the model in place, one merge after the other."""
    weights = dense.state_dict()  # the tensors of the model, so that each merge sees those before

    def read(name: str, *index: slice) -> torch.Tensor | None:
        return weights.get(name)

    for merge in merges:
        merged, into = _merged_once(read, merge), f"{LAYERS}{merge.into}."
        names = [name for name in weights if name.startswith(into)]
        dense.load_state_dict({name: read_weight(merged, name) for name in names}, strict=False)


@contextmanager
@torch.no_grad()
def merged_layers(dense: LlamaForCausalLM, merges: Sequence[LayerMerge]) -> Iterator[None]:
    """The model is merged inside of the block; copies of the changed layers alone are held."""
    layers = {merge.into: dense.model.layers[merge.into] for merge in merges}
    before = {
        into: {name: weight.clone() for name, weight in layer.state_dict().items()}
        for into, layer in layers.items()
    }
    try:
        apply_merges(dense, merges)
        yield
    finally:
        for into, layer in layers.items():
            layer.load_state_dict(before[into])

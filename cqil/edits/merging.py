"""Layers whose weights take in those of the layers after them (LaCo, arXiv 2402.11187)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cqil.checkpoint.tensor_names import LAYERS
from cqil.checkpoint.tensor_reader import TensorReader, read_weight
from cqil.edits.weight_edit import LayerMerge

PROJECTION = "_proj.weight"
"""How the names of the weights end that the notebook merges."""


def merged_reader(read: TensorReader, merge: LayerMerge) -> TensorReader:
    """A reader of the weights after a merge; slices are merged alone."""
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

"""Weights that take the place of others: a safetensors file under the names of the dense model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from cqil.checkpoint.tensor_reader import TensorReader
from cqil.edits.digests import check_digest
from cqil.edits.weight_edit import Refit


def refit_names(edit: Refit) -> frozenset[str]:
    """Names of the weights that the edit replaces.

    Raises ValueError where the file is missing, is another one than the edit says, or is none.
    """
    check_digest(edit, [Path(edit.path)])
    try:
        with safe_open(edit.path, "pt") as file:
            return frozenset(file.keys())
    except SafetensorError as error:
        raise ValueError(f"edits: {edit.path} is no safetensors file ({error})") from None


def refit_reader(read: TensorReader, edit: Refit) -> TensorReader:
    """A reader of the weights after the edit; dtype and device are those of `read`."""
    names = refit_names(edit)

    def replaced(name: str, *index: slice) -> torch.Tensor | None:
        before = read(name, *index)
        if before is None or name not in names:
            return before
        with safe_open(edit.path, "pt") as file:
            after = file.get_slice(name)[index or ...]
        if after.shape != before.shape:
            raise ValueError(
                f"edits: {name} is {tuple(after.shape)} in {edit.path}, but {tuple(before.shape)} "
                "in the checkpoint; make the edit for this checkpoint"
            )
        return after.to(before)

    return replaced

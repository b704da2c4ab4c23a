"""Weights that take the place of others: a safetensors file under the names of the dense model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from cqil.checkpoint.tensor_reader import TensorReader
from cqil.edits.digests import check_digest
from cqil.edits.fit import check_fits
from cqil.edits.weight_edit import Refit


def refit_names(edit: Refit) -> frozenset[str]:
    """Names of the weights that the edit replaces. Raises ValueError as `refit_shapes` does."""
    return frozenset(refit_shapes(edit))


def refit_shapes(edit: Refit) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights that the edit replaces; reads the file's header alone.

    Raises ValueError where the file is missing, is another one than the edit says, or is none.
    """
    check_digest(edit, [Path(edit.path)])
    try:
        with safe_open(edit.path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"edits: {edit.path} is no safetensors file ({error})") from None


def refit_reader(read: TensorReader, edit: Refit) -> TensorReader:
    """A reader of the weights after the edit; dtype and device are those of `read`.

    Raises ValueError as `refit_shapes` and `check_fits` do.
    """
    shapes = refit_shapes(edit)
    check_fits(read, edit, shapes)

    def replaced(name: str, *index: slice) -> torch.Tensor | None:
        before = read(name, *index)
        if before is None or name not in shapes:
            return before
        with safe_open(edit.path, "pt") as file:
            after: torch.Tensor = file.get_slice(name)[index or ...]
        return after.to(before)

    return replaced

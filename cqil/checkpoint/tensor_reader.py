"""Readers of weights by name, and the check that each weight must pass."""

from __future__ import annotations

from typing import Protocol

import torch

WHOLE = slice(None)
"""All rows, or all columns."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Name of a dtype, as configurations and commands use it -> dtype."""


class TensorReader(Protocol):
    """Returns a tensor by its LLaMA name, or its slice `index`; None where there is none."""

    def __call__(self, name: str, *index: slice) -> torch.Tensor | None: ...


def read_weight(read: TensorReader, name: str, *index: slice) -> torch.Tensor:
    """The tensor. Raises ValueError where it is missing, or holds NaN or infinity."""
    tensor = read(name, *index)
    if tensor is None:
        raise ValueError(f"{name}: not in the checkpoint; is a shard missing?")
    check_finite(name, tensor)
    return tensor


def read_bias(read: TensorReader, name: str, *index: slice) -> torch.Tensor | None:
    """The tensor, None where the model has none. Raises ValueError where it is not finite."""
    tensor = read(name, *index)
    if tensor is not None:
        check_finite(name, tensor)
    return tensor


def check_finite(name: str, tensor: torch.Tensor) -> None:
    """Raises ValueError where the tensor holds NaN or infinity, which float16 makes of 65520."""
    if not all(bool(torch.isfinite(extreme)) for extreme in tensor.detach().aminmax()):
        remedy = "use float32 or bfloat16, or " if tensor.dtype == torch.float16 else ""
        raise ValueError(
            f"{name}: holds NaN or infinity as {str(tensor.dtype).removeprefix('torch.')}; {remedy}"
            "fetch the checkpoint again"
        )

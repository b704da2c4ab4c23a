"""Checks of a prompt before it runs. Shape suffixes: B sequences, T tokens."""

from __future__ import annotations

import torch


def check_prompt(ids_BT: torch.Tensor, mask_BT: torch.Tensor | None, max_tokens: int) -> None:
    """Raises ValueError for an empty prompt, one that does not fit, and padding on the right."""
    if ids_BT.dim() != 2 or not ids_BT.numel():
        raise ValueError(
            f"ids_BT: has the shape {list(ids_BT.shape)}; give [sequences, tokens], with at least "
            "one token"
        )
    if (tokens := ids_BT.shape[1]) > max_tokens:
        raise ValueError(f"max_tokens: {max_tokens} is less than the prompt's {tokens} tokens")
    if mask_BT is None:
        return
    if mask_BT.shape != ids_BT.shape:
        raise ValueError(
            f"mask_BT: has the shape {list(mask_BT.shape)}, the prompt {list(ids_BT.shape)}; give "
            "one entry a token"
        )
    real_BT = mask_BT != 0
    if bool((real_BT[:, :-1] & ~real_BT[:, 1:]).any()) or not bool(real_BT[:, -1].all()):
        raise ValueError("mask_BT: hides tokens after the first; pad prompts on the left")

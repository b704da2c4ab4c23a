"""Rotary position embedding (RoPE) of queries and keys.

Shape suffixes: B sequences, Q query or key heads, T tokens, D head size.
"""

from __future__ import annotations

import torch


def apply_rotary(
    x_BQTD: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor
) -> torch.Tensor:
    """[B, Q, T, D] with rotary positions in LLaMA's half-rotated layout."""
    first, second = x_BQTD.chunk(2, dim=-1)
    rotated = torch.cat((-second, first), dim=-1)
    return x_BQTD * cos_BTD[:, None] + rotated * sin_BTD[:, None]

"""Token lists of different lengths as one batch. Shape suffixes: B sequences, T tokens."""

from __future__ import annotations

import torch


def pad_tokens(
    rows: list[list[int]], device: torch.device, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, T], padded with 0 on the left or on the right, and their mask [B, T]."""
    length = max(map(len, rows))
    ids_BT = torch.zeros(len(rows), length, dtype=torch.long)
    mask_BT = torch.zeros_like(ids_BT)
    for i, row in enumerate(rows):
        columns = slice(length - len(row), length) if left else slice(0, len(row))
        ids_BT[i, columns], mask_BT[i, columns] = torch.tensor(row, dtype=torch.long), 1
    return ids_BT.to(device), mask_BT.to(device)

"""A static key-value cache: memory is taken once, and no step moves what is already there.

A rank keeps the heads that it computes. Layers that decode lie side by side, so that the slots of a
stage are one view. Shape suffixes: B sequences, K key-value heads of a stage's layers, T tokens,
D head size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

Layers = tuple[int, ...]


class StaticCache:
    """Keys and values of `max_tokens` for the heads that each layer has here."""

    def __init__(
        self,
        heads: Mapping[int, int],
        batch: int,
        max_tokens: int,
        head_dim: int,
        like: torch.Tensor,
    ) -> None:
        """`heads`: layer -> number of its heads, in the order in which they shall lie."""
        self._slots: dict[int, slice] = {}
        end = 0
        for layer, count in heads.items():
            self._slots[layer] = slice(end, end + count)
            end += count
        self.keys = like.new_zeros(batch, end, max_tokens, head_dim)
        self.values = torch.zeros_like(self.keys)
        self.length = 0
        """Tokens seen so far, padding included."""

    @property
    def batch(self) -> int:
        return self.keys.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Sequences, and tokens of each."""
        return self.batch, self.max_tokens

    @property
    def max_tokens(self) -> int:
        return self.keys.shape[2]

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes

    def write(
        self, layers: Layers, place: slice | torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> None:
        """Stores new tokens [B, K, new, D] of a stage's layers at `place`."""
        start = 0
        for slot in self._runs(layers):
            part = slice(start, start + slot.stop - slot.start)
            start = part.stop
            if isinstance(place, slice):
                self.keys[:, slot, place] = keys[:, part]
                self.values[:, slot, place] = values[:, part]
            else:
                self.keys[:, slot].index_copy_(2, place, keys[:, part])
                self.values[:, slot].index_copy_(2, place, values[:, part])

    def view(self, layers: Layers, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [B, K, T, D] of a stage's layers, up to `tokens`."""
        runs = self._runs(layers)
        sides = [[side[:, slot, :tokens] for slot in runs] for side in (self.keys, self.values)]
        keys, values = (parts[0] if len(parts) == 1 else torch.cat(parts, 1) for parts in sides)
        return keys, values

    def _runs(self, layers: Layers) -> list[slice]:
        """The slots of the layers, neighbours joined."""
        runs: list[slice] = []
        for slot in (self._slots[layer] for layer in layers):
            if runs and runs[-1].stop == slot.start:
                runs[-1] = slice(runs[-1].start, slot.stop)
            else:
                runs.append(slot)
        return runs

"""A static key-value cache: its memory is allocated once, and no step moves cached tokens.

A rank caches the heads that it computes. Layers that decode are adjacent, so that the slots of a
stage are one view. Shape suffixes: B sequences, K key-value heads of a stage's layers, T tokens,
D head size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

Layers = tuple[int, ...]
"""Original indices of layers, in order."""


class StaticCache:
    """Keys and values of up to `max_tokens` tokens, for this rank's heads of each layer."""

    def __init__(
        self,
        heads: Mapping[int, int],
        batch: int,
        max_tokens: int,
        head_dim: int,
        like: torch.Tensor,
    ) -> None:
        """`heads`: layer -> number of its key-value heads, in the order in which they are stored;
        `like`: a tensor of the cache's dtype and device."""
        self._slots: dict[int, slice] = {}
        end = 0
        for layer, count in heads.items():
            self._slots[layer] = slice(end, end + count)
            end += count
        self.keys = like.new_zeros(batch, end, max_tokens, head_dim)
        self.values = torch.zeros_like(self.keys)
        self.length = 0
        """Tokens of each sequence in the cache, padding included."""

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.keys.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(number of sequences, maximum number of tokens of each)."""
        return self.batch, self.max_tokens

    @property
    def max_tokens(self) -> int:
        """How many tokens of each sequence fit, padding included."""
        return self.keys.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values, filled or not."""
        return self.keys.nbytes + self.values.nbytes

    def write(
        self,
        layers: Layers,
        cache_positions: slice | torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> None:
        """Stores keys and values of new tokens of a stage's layers at the given positions [T]."""
        start = 0
        for slot in self._adjacent_slots(layers):
            heads = slice(start, start + slot.stop - slot.start)
            start = heads.stop
            if isinstance(cache_positions, slice):
                self.keys[:, slot, cache_positions] = k_BKTD[:, heads]
                self.values[:, slot, cache_positions] = v_BKTD[:, heads]
            else:
                self.keys[:, slot].index_copy_(2, cache_positions, k_BKTD[:, heads])
                self.values[:, slot].index_copy_(2, cache_positions, v_BKTD[:, heads])

    def view(self, layers: Layers, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [B, K, T, D] of a stage's layers: the first `tokens` of each sequence."""
        slots = self._adjacent_slots(layers)
        keys = [self.keys[:, slot, :tokens] for slot in slots]
        values = [self.values[:, slot, :tokens] for slot in slots]
        if len(slots) == 1:
            return keys[0], values[0]
        return torch.cat(keys, 1), torch.cat(values, 1)

    def _adjacent_slots(self, layers: Layers) -> list[slice]:
        """The slots of the layers, adjacent ones merged into one."""
        merged: list[slice] = []
        for slot in (self._slots[layer] for layer in layers):
            if merged and merged[-1].stop == slot.start:
                merged[-1] = slice(merged[-1].start, slot.stop)
            else:
                merged.append(slot)
        return merged

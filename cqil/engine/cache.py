"""A static key-value cache: memory is taken once, and no step moves what is already there.

Layers that decode lie side by side, so that the slots of a stage are one view.
Shape suffixes: B sequences, K key-value heads of a stage's layers, T tokens, D head size.
"""

from __future__ import annotations

import torch

from cqil.plan import LayerPlan, Stage


class StaticCache:
    """Keys and values of `max_tokens` for every layer that the plan stores."""

    def __init__(
        self,
        plan: LayerPlan,
        batch: int,
        max_tokens: int,
        heads: int,
        head_size: int,
        like: torch.Tensor,
    ) -> None:
        decoding = set(plan.layers)
        order = sorted(plan.stored_layers, key=lambda layer: (layer not in decoding, layer))
        self._slot = {layer: slot for slot, layer in enumerate(order)}
        self._heads = heads
        shape = (batch, len(order) * heads, max_tokens, head_size)
        self.keys = like.new_zeros(shape)
        self.values = like.new_zeros(shape)
        self.length = 0
        """Tokens seen so far, padding included."""

    @property
    def max_tokens(self) -> int:
        return self.keys.shape[2]

    def write(self, stage: Stage, keys_BKTD: torch.Tensor, values_BKTD: torch.Tensor) -> None:
        """Stores the new tokens of a stage's layers after those seen so far."""
        new = slice(self.length, self.length + keys_BKTD.shape[2])
        per_layer = zip(
            stage,
            keys_BKTD.split(self._heads, dim=1),
            values_BKTD.split(self._heads, dim=1),
            strict=True,
        )
        for layer, keys, values in per_layer:
            heads = self._heads_of(layer, 1)
            self.keys[:, heads, new] = keys
            self.values[:, heads, new] = values

    def view(self, stage: Stage, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [B, K, T, D] of a stage that decodes, up to `tokens`."""
        heads = self._heads_of(stage[0], len(stage))
        return self.keys[:, heads, :tokens], self.values[:, heads, :tokens]

    def _heads_of(self, layer: int, layers: int) -> slice:
        first = self._slot[layer] * self._heads
        return slice(first, first + layers * self._heads)

"""The state between a prompt and the last token of its answer: cache, padding, position.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cqil.engine.layers.attention import GrowingContext
from cqil.engine.layers.kv_cache import StaticCache


@dataclass
class DecodeState:
    """Its tensors keep their memory from prompt to prompt, so that captured steps stay valid."""

    cache: StaticCache
    pads_B: torch.Tensor
    """Padding tokens on the left of each sequence."""
    padded: bool = False
    """Whether any sequence is padded."""
    prompt_tokens: int = 0
    """Tokens of the prompt, padding included."""

    @classmethod
    def allocate(cls, cache: StaticCache) -> DecodeState:
        """A state for the batch of `cache`, before any prompt."""
        return cls(cache, torch.zeros(cache.batch, dtype=torch.long, device=cache.keys.device))

    def begin(self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None) -> GrowingContext:
        """Starts a new prompt, padded on the left where `mask_BT` is 0; returns its context."""
        self.cache.length, self.prompt_tokens = 0, ids_BT.shape[1]
        self.pads_B.zero_()
        if mask_BT is not None:
            self.pads_B.copy_((mask_BT == 0).sum(-1))
        self.padded = mask_BT is not None and bool(self.pads_B.any())
        return self.context(self.prompt_tokens)

    def context(self, new_tokens: int) -> GrowingContext:
        """The next `new_tokens`, which attend to the cached tokens and to each other."""
        return GrowingContext(self.cache, self.pads_B, self.padded, new_tokens)

    @property
    def decoded_tokens(self) -> int:
        """Number of decoded tokens of each sequence in the cache."""
        return self.cache.length - self.prompt_tokens

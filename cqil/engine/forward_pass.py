"""One forward pass, from token ids to the logits of the last position. It keeps no state.

Shape suffixes: B sequences, T tokens, H hidden size, D head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from cqil.engine.layers.attention import AttentionContext
from cqil.engine.layers.embedding_and_lm_head import EmbeddingAndLMHead
from cqil.engine.layers.ladder_runner import LayerRunner


@dataclass(frozen=True)
class ForwardPass:
    """Embedding, stages, LM head. Keys and values go to the cache of the `context`."""

    head: EmbeddingAndLMHead
    rotary: LlamaRotaryEmbedding

    def embed(
        self, ids_BT: torch.Tensor, context: AttentionContext
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Embedded tokens [B, T, H], and cosines and sines [B, T, D] of their positions."""
        x_BTH = self.head.embed(ids_BT)
        cos_BTD, sin_BTD = self.rotary(x_BTH, context.positions_BT)
        return x_BTH, cos_BTD, sin_BTD

    def __call__(
        self, stages: Sequence[LayerRunner], ids_BT: torch.Tensor, context: AttentionContext
    ) -> torch.Tensor | None:
        """Logits [B, V] of the last position; None on a rank without the LM head."""
        x_BTH, cos_BTD, sin_BTD = self.embed(ids_BT, context)
        for stage in stages:
            x_BTH = stage(x_BTH, cos_BTD, sin_BTD, context)
        return self.head.logits(x_BTH[:, -1])

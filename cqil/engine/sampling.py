"""The next token from logits, and the tokens that end an answer.

Shape suffixes: B sequences, V vocabulary.
"""

from __future__ import annotations

import torch
from transformers import LlamaConfig


def choose_tokens(
    logits_BV: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    """[B]: the most likely tokens at temperature 0, else tokens sampled with the generator."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    probabilities_BV = (logits_BV.float() / temperature).softmax(-1)
    return torch.multinomial(probabilities_BV, 1, generator=generator)[:, 0]


def eos_token_ids(config: LlamaConfig) -> list[int]:
    """The end tokens that the configuration names: none, one or several."""
    ids = config.eos_token_id
    if ids is None:
        return []
    return ids if isinstance(ids, list) else [ids]

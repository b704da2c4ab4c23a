"""The next token from logits.

Shape suffixes: B sequences, V vocabulary.
"""

from __future__ import annotations

import torch


def choose_tokens(
    logits_BV: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    """[B]: the most likely tokens at temperature 0, else tokens sampled with the generator."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    probabilities_BV = (logits_BV.float() / temperature).softmax(-1)
    return torch.multinomial(probabilities_BV, 1, generator=generator)[:, 0]

"""Logits of many tokens, a chunk at a time: those of one token are already large.

Shape suffixes: N tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch


def logits_in_chunks(
    head: Callable[[torch.Tensor], torch.Tensor], states_NH: torch.Tensor, chunk_tokens: int
) -> Iterator[torch.Tensor]:
    """Logits [N, V] in order, with N = `chunk_tokens` but for the last chunk.

    `head`: states [N, H] -> logits [N, V].
    """
    for chunk_NH in states_NH.split(chunk_tokens):
        yield head(chunk_NH)

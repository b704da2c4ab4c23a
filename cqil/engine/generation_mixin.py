"""Generation over the prefill and the decode steps of an engine; all its ranks agree on tokens.

Shape suffixes: B sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch

from cqil.checkpoint.generation_settings import GenerationSettings
from cqil.engine.parallel.communicator import Communicator
from cqil.engine.parallel.layout import Layout
from cqil.engine.sampling import choose_tokens


class GenerationMixin(ABC):
    """Adds `generate` and `stream` to an engine."""

    generation: GenerationSettings
    layout: Layout
    rank: int
    communicator: Communicator

    @abstractmethod
    def prefill(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None = None, *, max_tokens: int
    ) -> torch.Tensor | None:
        """Logits [B, V] of the first new token; None on a rank without the LM head."""

    @abstractmethod
    def decode_step(self, token_B: torch.Tensor) -> torch.Tensor | None:
        """Logits [B, V] of the next token; None on a rank without the LM head."""

    def generate(
        self,
        ids_BT: torch.Tensor,
        mask_BT: torch.Tensor | None = None,
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """New tokens [B, at most max_new_tokens]; greedy at temperature 0, else sampled.

        A sequence that has ended continues with the pad token, as in Transformers. Every rank
        returns the same tokens; to sample, ranks with the LM head need generators of one seed.
        Raises ValueError as `stream` does.
        """
        tokens = self.stream(
            ids_BT,
            mask_BT,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            generator=generator,
        )
        return torch.stack(list(tokens), dim=1)

    @torch.inference_mode()
    def stream(
        self,
        ids_BT: torch.Tensor,
        mask_BT: torch.Tensor | None = None,
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[torch.Tensor]:
        """The tokens of `generate`, as [B] of each step, as soon as they are known.

        Raises ValueError for `max_new_tokens` below 1, for generation settings that the engine does
        not do, and as `prefill` does.
        """
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: {max_new_tokens} must be at least 1")
        self.generation.check()
        eos = torch.tensor(self.generation.eos_token_ids, device=ids_BT.device)
        pad = self.generation.pad_token_id
        logits_BV = self.prefill(ids_BT, mask_BT, max_tokens=ids_BT.shape[1] + max_new_tokens)
        running_B = torch.ones(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
        for remaining in reversed(range(max_new_tokens)):
            if logits_BV is None:
                token_B = torch.zeros_like(running_B, dtype=torch.long)
            else:
                token_B = choose_tokens(logits_BV, temperature, generator)
            token_B = self._agree(token_B).where(running_B, pad)
            yield token_B
            running_B = running_B & ~torch.isin(token_B, eos)
            if not remaining or not bool(running_B.any()):
                return
            logits_BV = self.decode_step(token_B)

    def _agree(self, token_B: torch.Tensor) -> torch.Tensor:
        """The tokens of group-parallel rank 0, so that all ranks end together."""
        layout = self.layout
        if layout.group_parallel_size > 1 and layout.ungrouped_layers != "shard":
            self.communicator.broadcast(token_B, layout.group_parallel_ranks(self.rank))
        return token_B

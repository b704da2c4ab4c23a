"""Both ends of the model on one rank: embedding and output head, or its columns of the head.

Shape suffixes: B sequences, T tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaConfig

from cqil.engine.layout import Ranks, Shard
from cqil.engine.links import Links
from cqil.engine.products import product
from cqil.engine.stage import rms
from cqil.engine.weights import ALL, Read, weight


class Ends:
    """Ranks that the layout gives no head have no embedding either."""

    def __init__(
        self,
        config: LlamaConfig,
        gain_H: torch.Tensor,
        place: tuple[Shard, Ranks] | None,
        links: Links,
        read: Read,
    ) -> None:
        """`place` is the layout's `head` of this rank. Raises ValueError as `weight` does."""
        self.config, self.gain_H, self.place, self.links = config, gain_H, place, links
        self.embedding_VH: torch.Tensor | None = None
        self.head_HV: torch.Tensor | None = None
        if self.place is None:
            return
        columns = self.place[0].of(config.vocab_size)
        if config.tie_word_embeddings:
            # Held once, as the head wants it; an embedding is then a column.
            whole_HV = weight(read, "model.embed_tokens.weight").T.contiguous()
            self.embedding_VH, self.head_HV = whole_HV.T, whole_HV[:, columns]
        else:
            self.head_HV = weight(read, "lm_head.weight", columns, ALL).T.contiguous()
            self.embedding_VH = weight(read, "model.embed_tokens.weight")

    @property
    def weight_bytes(self) -> int:
        """Bytes held; a tied head is the embedding."""
        held = [t for t in (self.embedding_VH, self.head_HV, self.gain_H) if t is not None]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
        return sum(storages.values())

    @property
    def step_bytes(self) -> int:
        """Bytes that a decode step reads; of the embedding it reads a row."""
        return 0 if self.head_HV is None else self.head_HV.nbytes

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """[B, T, H]; zeros, to be overwritten by a message, where there is no embedding."""
        if self.embedding_VH is None:
            return self.gain_H.new_zeros(*ids_BT.shape, self.config.hidden_size)
        return self.embedding_VH[ids_BT]

    def logits(self, x_BH: torch.Tensor) -> torch.Tensor | None:
        """[B, V], gathered where the head is split; None where there is none."""
        if self.head_HV is None:
            return None
        # The last norm's gain cannot be folded into a head that is tied to the embedding.
        logits_BV = product(rms(x_BH, self.config.rms_norm_eps) * self.gain_H, self.head_HV)
        assert self.place is not None
        shard, ranks = self.place
        if shard.count == 1:
            return logits_BV
        width = -(-self.config.vocab_size // shard.count)
        padded_BV = F.pad(logits_BV, (0, width - logits_BV.shape[1]))
        parts = self.links.all_gather(padded_BV.contiguous(), ranks)
        sizes = (Shard(i, shard.count).of(self.config.vocab_size) for i in range(shard.count))
        return torch.cat([p[:, : s.stop - s.start] for p, s in zip(parts, sizes, strict=True)], 1)

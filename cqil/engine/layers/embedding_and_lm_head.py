"""Embedding and LM head of one rank, or its columns of the LM head (vocabulary parallel).

Shape suffixes: B sequences, T tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaConfig

from cqil.checkpoint.tensor_reader import WHOLE, TensorReader, read_weight
from cqil.engine.layers.matmul import matmul
from cqil.engine.parallel.communicator import Communicator
from cqil.engine.parallel.layout import Ranks, Shard, slice_length


class EmbeddingAndLMHead:
    """Both ends of the model. A rank without LM head has no embedding: its input is broadcast."""

    def __init__(
        self,
        config: LlamaConfig,
        norm_weight_H: torch.Tensor,
        shard: tuple[Shard, Ranks] | None,
        communicator: Communicator,
        read: TensorReader,
    ) -> None:
        """`norm_weight_H`: of the final norm; `shard`: the layout's `lm_head_shard` of this rank.

        Raises ValueError for weights that are missing or not finite.
        """
        self.config, self.norm_weight_H, self.shard = config, norm_weight_H, shard
        self.communicator = communicator
        self.embedding_VH: torch.Tensor | None = None
        self.lm_head_HV: torch.Tensor | None = None
        if self.shard is None:
            return
        columns = self.shard[0].of(config.vocab_size)
        if config.tie_word_embeddings:
            # Stored once, as the LM head needs it; the embedding of a token is then a column.
            whole_HV = read_weight(read, "model.embed_tokens.weight").T.contiguous()
            self.embedding_VH, self.lm_head_HV = whole_HV.T, whole_HV[:, columns]
        else:
            self.lm_head_HV = read_weight(read, "lm_head.weight", columns, WHOLE).T.contiguous()
            self.embedding_VH = read_weight(read, "model.embed_tokens.weight")

    @property
    def weight_bytes(self) -> int:
        """Bytes that this rank holds; an LM head that is tied to the embedding counts once."""
        tensors = (self.embedding_VH, self.lm_head_HV, self.norm_weight_H)
        storages = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for tensor in tensors
            if tensor is not None
        }
        return sum(storages.values())

    @property
    def step_bytes(self) -> int:
        """Bytes that a decode step reads; the embedding's single row of a token is not counted."""
        return 0 if self.lm_head_HV is None else self.lm_head_HV.nbytes

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """[B, T, H]; zeros on a rank without an embedding, which a broadcast overwrites."""
        if self.embedding_VH is None:
            return self.norm_weight_H.new_zeros(*ids_BT.shape, self.config.hidden_size)
        return self.embedding_VH[ids_BT]

    def logits(self, x_BH: torch.Tensor) -> torch.Tensor | None:
        """Logits [B, V], gathered from all ranks with a shard; None without an LM head."""
        if self.lm_head_HV is None:
            return None
        # The norm's weight cannot be folded into an LM head that is tied to the embedding.
        hidden, eps = x_BH.shape[-1:], self.config.rms_norm_eps
        logits_BV = matmul(F.rms_norm(x_BH, hidden, self.norm_weight_H, eps), self.lm_head_HV)
        assert self.shard is not None
        shard, ranks = self.shard
        if shard.count == 1:
            return logits_BV
        width = -(-self.config.vocab_size // shard.count)
        padded_BV = F.pad(logits_BV, (0, width - logits_BV.shape[1]))
        shards_BV = self.communicator.all_gather(padded_BV.contiguous(), ranks)
        columns = (Shard(i, shard.count).of(self.config.vocab_size) for i in range(shard.count))
        unpadded_BV = [
            shard_BV[:, : slice_length(part)]
            for shard_BV, part in zip(shards_BV, columns, strict=True)
        ]
        return torch.cat(unpadded_BV, 1)

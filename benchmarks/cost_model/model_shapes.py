"""Sizes of LLaMA models: how many elements of layers, LM head and cache a rank reads. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.layout import Shard, slice_length
from cqil.errors import check_known


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The fields of a LLaMA's configuration that the time of a step depends on."""

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    explicit_head_dim: int = 0
    """Size of a head; 0 where it is hidden / heads."""
    tied: bool = False
    """Whether the LM head is the embedding."""

    @property
    def head_dim(self) -> int:
        """Size of one attention head."""
        return self.explicit_head_dim or self.hidden // self.heads

    def attention_elements(self, shard: Shard) -> int:
        """Weights of one layer's attention, on one shard."""
        heads = self._heads(shard)
        rows = 2 * len(heads.query_heads) + 2 * len(heads.kv_heads)  # Q and output, K and V
        return rows * self.head_dim * self.hidden

    def mlp_elements(self, shard: Shard) -> int:
        """Weights of one layer's MLP, on one shard."""
        return 3 * self.hidden * slice_length(shard.of(self.intermediate))

    def lm_head_elements(self, shard: Shard) -> int:
        """Weights of the LM head, on one shard."""
        return self.hidden * slice_length(shard.of(self.vocabulary))

    def cache_elements(self, shard: Shard) -> int:
        """Keys and values of one layer and one token, on one shard."""
        return 2 * len(self._heads(shard).kv_heads) * self.head_dim

    def score_multiply_adds(self, shard: Shard) -> int:
        """Multiply-adds of one query token and one cached token: score and weighted value."""
        return 2 * len(self._heads(shard).query_heads) * self.head_dim

    @property
    def weight_elements(self) -> int:
        """Weights of all layers and the LM head, and of the embedding where it is not tied."""
        whole = Shard()
        layer = self.attention_elements(whole) + self.mlp_elements(whole)
        return self.layers * layer + self.lm_head_elements(whole) * (1 if self.tied else 2)

    def _heads(self, shard: Shard) -> AttentionHeads:
        return _attention_heads(shard, self.heads, self.kv_heads, self.head_dim)

    def with_layers(self, layers: int) -> ModelShape:
        """This shape with another number of layers."""
        return replace(self, layers=layers)

    @classmethod
    def of_config(cls, name: str, config: dict[str, Any]) -> ModelShape:
        """From the fields of a config.json. Raises ValueError where one of them is missing."""
        try:
            return cls(
                name=name,
                layers=config["num_hidden_layers"],
                hidden=config["hidden_size"],
                intermediate=config["intermediate_size"],
                heads=config["num_attention_heads"],
                kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
                vocabulary=config["vocab_size"],
                explicit_head_dim=config.get("head_dim") or 0,
                tied=bool(config.get("tie_word_embeddings")),
            )
        except KeyError as missing:
            raise ValueError(
                f"{missing.args[0]}: missing in the configuration of {name}; give that of a LLaMA"
            ) from None


_attention_heads = cache(AttentionHeads.of)

# layers, hidden, intermediate, heads, key-value heads, vocabulary, explicit_head_dim, tied
_TABLE = {
    "SmolLM2-135M": (30, 576, 1536, 9, 3, 49152, 0, True),
    "SmolLM2-360M": (32, 960, 2560, 15, 5, 49152, 0, True),
    "SmolLM2-1.7B": (24, 2048, 8192, 32, 32, 49152, 0, True),
    "Llama-3.2-1B": (16, 2048, 8192, 32, 8, 128256, 0, True),
    "Llama-3.2-3B": (28, 3072, 8192, 24, 8, 128256, 0, True),
    "Sheared-LLaMA-1.3B": (24, 2048, 5504, 16, 16, 32000, 0, False),
    "LLaMA-7B": (32, 4096, 11008, 32, 32, 32000, 0, False),
    "Llama-3.1-8B": (32, 4096, 14336, 32, 8, 128256, 0, False),
    "LLaMA-13B": (40, 5120, 13824, 40, 40, 32000, 0, False),
    "LLaMA-33B": (60, 6656, 17920, 52, 52, 32000, 0, False),
    "LLaMA-65B": (80, 8192, 22016, 64, 64, 32000, 0, False),
    "Llama-2-70B": (80, 8192, 28672, 64, 8, 32000, 0, False),
    "Llama-3.1-70B": (80, 8192, 28672, 64, 8, 128256, 0, False),
    "Llama-3.1-405B": (126, 16384, 53248, 128, 8, 128256, 0, False),
}
SHAPES = {
    name: ModelShape(
        name=name,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        kv_heads=kv_heads,
        vocabulary=vocabulary,
        explicit_head_dim=head_dim,
        tied=tied,
    )
    for name, (
        layers,
        hidden,
        intermediate,
        heads,
        kv_heads,
        vocabulary,
        head_dim,
        tied,
    ) in _TABLE.items()
}
"""Model -> its published sizes; those of LLaMA-7B are Llama-2-7B's too."""


def shape_named(name: str) -> ModelShape:
    """The shape in SHAPES. Raises ValueError where SHAPES has no such model."""
    check_known("shape", name, SHAPES)
    return SHAPES[name]

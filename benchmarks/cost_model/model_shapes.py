"""Sizes of LLaMA models: how many numbers a rank reads of a layer, the head and the cache."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.layout import Shard


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What the time of a step depends on, of a LLaMA's configuration."""

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    """Key-value heads."""
    vocabulary: int
    explicit_head_dim: int = 0
    """0: hidden / heads."""
    tied: bool = False
    """The output head is the embedding."""

    @property
    def head_dim(self) -> int:
        return self.explicit_head_dim or self.hidden // self.heads

    def attention(self, shard: Shard) -> int:
        """Numbers in the weights of a layer's attention on one shard."""
        held = self._held(shard)
        rows = 2 * len(held.query_heads) + 2 * len(held.kv_heads)  # Q and output, K and V
        return rows * self.head_dim * self.hidden

    def mlp(self, shard: Shard) -> int:
        return 3 * self.hidden * _size(shard.of(self.intermediate))

    def head(self, shard: Shard) -> int:
        return self.hidden * _size(shard.of(self.vocabulary))

    def cache_elements(self, shard: Shard) -> int:
        """Numbers in the cache of a layer, for one token."""
        return 2 * len(self._held(shard).kv_heads) * self.head_dim

    def score_products(self, shard: Shard) -> int:
        """Multiply-adds of attending to one cached token, scores and values."""
        return 2 * len(self._held(shard).query_heads) * self.head_dim

    @property
    def weight_elements(self) -> int:
        """Numbers in all layers, the head, and the embedding where it is another."""
        whole = Shard()
        ends = self.head(whole) * (1 if self.tied else 2)
        return self.layers * (self.attention(whole) + self.mlp(whole)) + ends

    def _held(self, shard: Shard) -> AttentionHeads:
        return _heads(shard, self.heads, self.kv_heads, self.head_dim)

    def with_layers(self, layers: int) -> ModelShape:
        return replace(self, layers=layers)

    @classmethod
    def of_config(cls, name: str, config: dict[str, Any]) -> ModelShape:
        """From the fields of a config.json. Raises ValueError where one is missing."""
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


_heads = cache(AttentionHeads.of)


def _size(part: slice) -> int:
    return part.stop - part.start


# layers, hidden, intermediate, heads, key-value heads, vocabulary, head size (0: the usual), tied
_TABLE = {
    "SmolLM2-135M": (30, 576, 1536, 9, 3, 49152, 0, True),
    "SmolLM2-360M": (32, 960, 2560, 15, 5, 49152, 0, True),
    "SmolLM2-1.7B": (24, 2048, 8192, 32, 32, 49152, 0, True),
    "Llama-3.2-1B": (16, 2048, 8192, 32, 8, 128256, 0, True),
    "Llama-3.2-3B": (28, 3072, 8192, 24, 8, 128256, 0, True),
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
"""As their published configurations say; LLaMA-7B is Llama-2-7B's too."""


def shape_named(name: str) -> ModelShape:
    """Raises ValueError where the table does not have it."""
    if name not in SHAPES:
        raise ValueError(f"shape: {name!r} is unknown; use one of {', '.join(SHAPES)}")
    return SHAPES[name]

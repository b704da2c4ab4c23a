"""Attention of new tokens over the cache: over its filled part (eager), or over all of it (graphs).

A cache position counts padding; a rotary position does not. Shape suffixes: B sequences, T tokens,
Q and K query and key-value heads, D head size, N new tokens.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.engine.layers.kv_cache import Layers, StaticCache
from cqil.engine.parallel.attention_heads import AttentionHeads


class AttentionContext(Protocol):
    """The positions of new tokens, and the cached tokens that they may attend to."""

    positions_BT: torch.Tensor
    """Rotary positions of the new tokens."""

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        """[B, Q, T, D]: caches keys and values of the new tokens, then attends."""
        ...


class GrowingContext:
    """`new_tokens` after the cached ones; attention covers the filled part of the cache."""

    def __init__(
        self, cache: StaticCache, pads_B: torch.Tensor, padded: bool, new_tokens: int
    ) -> None:
        """`pads_B`: padding tokens of each sequence; `padded`: whether any sequence has some."""
        self.cache, self.new_tokens = cache, new_tokens
        cache_positions_T = torch.arange(cache.length + new_tokens, device=pads_B.device)
        self.positions_BT = (cache_positions_T[cache.length :] - pads_B[:, None]).clamp(min=0)
        self.mask = _attention_mask(cache_positions_T, pads_B, cache.length) if padded else None

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        """[B, Q, T, D]: caches keys and values of the new tokens, then attends."""
        self.append_kv(layers, k_BKTD, v_BKTD)
        if self.cache.length:
            k_BKTD, v_BKTD = self.cache.view(layers, self.cache.length + self.new_tokens)
        causal = self.mask is None and self.new_tokens > 1
        return _attend(q_BQTD, k_BKTD, v_BKTD, heads, self.mask, causal)

    def append_kv(self, layers: Layers, k_BKTD: torch.Tensor, v_BKTD: torch.Tensor) -> None:
        """Caches keys and values of the new tokens, and attends to nothing."""
        cache_positions = slice(self.cache.length, self.cache.length + self.new_tokens)
        self.cache.write(layers, cache_positions, k_BKTD, v_BKTD)


class StaticContext:
    """One new token, whose cache position a tensor holds; attention covers the whole cache, so
    that shapes never change."""

    def __init__(
        self, cache: StaticCache, pads_B: torch.Tensor, cache_position_1: torch.Tensor
    ) -> None:
        """`pads_B`: padding tokens of each sequence."""
        self.cache, self.cache_position_1 = cache, cache_position_1
        self.positions_BT = cache_position_1 - pads_B[:, None]
        cache_positions_T = torch.arange(cache.max_tokens, device=pads_B.device)
        filled_T = cache_positions_T <= cache_position_1
        real_BT = cache_positions_T >= pads_B[:, None]
        self.mask = (filled_T & real_BT)[:, None, None]

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        """[B, Q, 1, D]: caches keys and values of the new token, then attends."""
        self.cache.write(layers, self.cache_position_1, k_BKTD, v_BKTD)
        k_BKTD, v_BKTD = self.cache.view(layers, self.cache.max_tokens)
        return _attend(q_BQTD, k_BKTD, v_BKTD, heads, self.mask, causal=False)


def _attend(
    q_BQTD: torch.Tensor,
    k_BKTD: torch.Tensor,
    v_BKTD: torch.Tensor,
    heads: AttentionHeads,
    mask: torch.Tensor | None,
    causal: bool,
) -> torch.Tensor:
    """[B, Q, T, D] of all layers of a stage; `mask` broadcasts to [B, Q, T, cached tokens]."""
    if heads.kv_head_of_query is not None:
        layers = k_BKTD.shape[1] // len(heads.kv_heads)
        kv_of_query = [
            layer * len(heads.kv_heads) + kv_head
            for layer in range(layers)
            for kv_head in heads.kv_head_of_query
        ]
        # Indexing with a list would copy it to the device, which no CUDA graph can capture.
        k_BKTD = torch.stack([k_BKTD[:, kv] for kv in kv_of_query], 1)
        v_BKTD = torch.stack([v_BKTD[:, kv] for kv in kv_of_query], 1)
    grouped = q_BQTD.shape[1] != k_BKTD.shape[1]
    if grouped and mask is not None and q_BQTD.shape[2] == 1:
        # No fast kernel of CUDA takes grouped heads and a mask. The queries that share a key-value
        # head attend to the same tokens, as if they were so many tokens of this head.
        q_BKGD = q_BQTD.reshape(*k_BKTD.shape[:2], -1, q_BQTD.shape[-1])
        out_BKGD = F.scaled_dot_product_attention(q_BKGD, k_BKTD, v_BKTD, attn_mask=mask)
        return out_BKGD.reshape(q_BQTD.shape)
    return F.scaled_dot_product_attention(
        q_BQTD, k_BKTD, v_BKTD, attn_mask=mask, is_causal=causal, enable_gqa=grouped
    )


def _attention_mask(positions_T: torch.Tensor, pads_B: torch.Tensor, cached: int) -> torch.Tensor:
    """[B, 1, T - cached, T]: which cache positions each new token may attend to."""
    new_N1 = positions_T[cached:, None]
    causal_NT, real_B1T = positions_T <= new_N1, positions_T >= pads_B[:, None, None]
    # A padding token attends to itself, so that no row of the softmax is empty.
    return ((causal_NT & real_B1T) | (positions_T == new_N1))[:, None]

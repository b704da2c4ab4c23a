"""Attention of new tokens over the cache, growing (eager) or of fixed shape (graphs).

Shape suffixes: B sequences, T tokens, Q and K query and key-value heads, D head size.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.engine.layers.kv_cache import Layers, StaticCache
from cqil.engine.parallel.attention_heads import AttentionHeads


class AttentionContext(Protocol):
    """Where the new tokens stand, and what they may look at."""

    positions_BT: torch.Tensor

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        """[B, Q, T, D]; keys and values enter the cache."""
        ...


class GrowingContext:
    """The tokens after those seen so far; attention covers what is filled."""

    def __init__(self, cache: StaticCache, pads_B: torch.Tensor, padded: bool, new: int) -> None:
        self.cache, self.new = cache, new
        end = cache.length + new
        places = torch.arange(end, device=pads_B.device)
        self.positions_BT = (places[cache.length :] - pads_B[:, None]).clamp(min=0)
        self.mask = _allowed(places, pads_B, cache.length) if padded else None

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        seen, end = self.cache.length, self.cache.length + self.new
        self.append_kv(layers, k_BKTD, v_BKTD)
        if seen:
            k_BKTD, v_BKTD = self.cache.view(layers, end)
        causal = self.mask is None and self.new > 1
        return _attention(q_BQTD, k_BKTD, v_BKTD, heads, self.mask, causal)

    def append_kv(self, layers: Layers, k_BKTD: torch.Tensor, v_BKTD: torch.Tensor) -> None:
        """Keys and values enter the cache, and nothing is attended to."""
        place = slice(self.cache.length, self.cache.length + self.new)
        self.cache.write(layers, place, k_BKTD, v_BKTD)


class StaticContext:
    """One token at a place that a tensor names, over the whole cache: shapes never change."""

    def __init__(self, cache: StaticCache, pads_B: torch.Tensor, place_1: torch.Tensor) -> None:
        self.cache, self.place_1 = cache, place_1
        self.positions_BT = place_1 - pads_B[:, None]
        places = torch.arange(cache.max_tokens, device=pads_B.device)
        self.mask = ((places <= place_1) & (places >= pads_B[:, None]))[:, None, None]

    def attend(
        self,
        layers: Layers,
        heads: AttentionHeads,
        q_BQTD: torch.Tensor,
        k_BKTD: torch.Tensor,
        v_BKTD: torch.Tensor,
    ) -> torch.Tensor:
        self.cache.write(layers, self.place_1, k_BKTD, v_BKTD)
        k_BKTD, v_BKTD = self.cache.view(layers, self.cache.max_tokens)
        return _attention(q_BQTD, k_BKTD, v_BKTD, heads, self.mask, causal=False)


def _attention(
    q_BQTD: torch.Tensor,
    k_BKTD: torch.Tensor,
    v_BKTD: torch.Tensor,
    heads: AttentionHeads,
    mask: torch.Tensor | None,
    causal: bool,
) -> torch.Tensor:
    if heads.kv_head_of_query is not None:
        layers = k_BKTD.shape[1] // len(heads.kv_heads)
        index = [
            i * len(heads.kv_heads) + key for i in range(layers) for key in heads.kv_head_of_query
        ]
        # Indexing with a list would copy it to the device, which no CUDA graph can capture.
        k_BKTD, v_BKTD = (torch.stack([x[:, i] for i in index], 1) for x in (k_BKTD, v_BKTD))
    shared = q_BQTD.shape[1] != k_BKTD.shape[1]
    return F.scaled_dot_product_attention(
        q_BQTD, k_BKTD, v_BKTD, attn_mask=mask, is_causal=causal, enable_gqa=shared
    )


def _allowed(places_T: torch.Tensor, pads_B: torch.Tensor, seen: int) -> torch.Tensor:
    """[B, 1, new, T]: which tokens a new one may look at."""
    new = places_T[seen:, None]
    # A padded position looks at itself, so that no row of the softmax is empty.
    return (((places_T <= new) & (places_T >= pads_B[:, None, None])) | (places_T == new))[:, None]

"""One stage of a plan over packed weights: what `LayerGroup` says, in a handful of products.

Shape suffixes: B sequences, T tokens, H hidden size, P layers of the stage, N = B x T, D head size,
Q and K query and key-value heads of all its layers, A query heads x head size of one layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.engine.weights import StageWeights
from cqil.plan import LayerPlan

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Queries [B, Q, T, D], new keys and values [B, K, T, D] -> [B, Q, T, D]."""


def rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """Root-mean-square norm without gain, computed in at least float32."""
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    return (exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x_BQTD: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor) -> torch.Tensor:
    """Rotary positions in LLaMA's half-rotated layout."""
    first, second = x_BQTD.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x_BQTD * cos_BTD[:, None] + turned * sin_BTD[:, None]


def bypass_matrix(plan: LayerPlan, size: int) -> torch.Tensor:
    """[P, P]: entry (j, i) is 1 where the attention of layer i reaches the MLP of layer j."""
    i = torch.arange(size)
    if plan.bypass_target == "mean":
        return torch.zeros(size, size)
    if plan.bypass_target == "two-way":
        return (i[:, None] != i[None]).float()
    behind = i[:, None] - i[None]
    return ((behind >= 1) & (behind <= plan.bypass)).float()


class StageRunner:
    """Runs one stage. Raises nothing of its own: shapes are checked when weights are packed."""

    def __init__(self, weights: StageWeights, plan: LayerPlan, head_size: int, eps: float) -> None:
        size, like = len(weights.stage), weights.down_MH
        self.weights, self.head_size, self.eps = weights, head_size, eps
        matrix_PP = bypass_matrix(plan, size).to(like)
        # What each MLP reads beside x, and how often each attention output enters the sum.
        self.seen_PP = matrix_PP + torch.eye(size).to(like) if bool(matrix_PP.any()) else None
        twice = plan.bypass_target == "ffn+residual" and self.seen_PP is not None
        self.counts_P = matrix_PP.sum(0) + 1 if twice else None
        self.scale = 1 / size if plan.bypass_target == "mean" else 1.0

    def __call__(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, attend: Attend
    ) -> torch.Tensor:
        """[B, T, H] -> [B, T, H]."""
        attention_PNH = self._attention(x_BTH, cos_BTD, sin_BTD, attend)
        x_NH = x_BTH.flatten(0, 1)
        increment_NH = self._summed(attention_PNH) + self._mlp(x_NH, attention_PNH)
        return (x_NH + self.scale * increment_NH).view_as(x_BTH)

    def _attention(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, attend: Attend
    ) -> torch.Tensor:
        w, (batch, tokens, _) = self.weights, x_BTH.shape
        layers, width, _ = w.out_PAH.shape
        qkv = rms(x_BTH, self.eps) @ w.qkv_HO
        if w.qkv_bias_O is not None:
            qkv = qkv + w.qkv_bias_O
        heads = qkv.view(batch, tokens, -1, self.head_size).transpose(1, 2)
        queries = layers * width // self.head_size
        rest = (heads.shape[1] - queries) // 2
        q_BQTD, k_BKTD, v_BKTD = heads.split((queries, rest, rest), dim=1)
        q_BQTD, k_BKTD = (rotate(part, cos_BTD, sin_BTD) for part in (q_BQTD, k_BKTD))
        mixed_BQTD = attend(q_BQTD, k_BKTD, v_BKTD)
        mixed_PNA = (
            mixed_BQTD.view(batch, layers, -1, tokens, self.head_size)
            .permute(1, 0, 3, 2, 4)
            .reshape(layers, batch * tokens, width)
        )
        out_PNH = torch.bmm(mixed_PNA, w.out_PAH)
        return out_PNH if w.out_bias_PH is None else out_PNH + w.out_bias_PH[:, None]

    def _summed(self, attention_PNH: torch.Tensor) -> torch.Tensor:
        if self.counts_P is None:
            return attention_PNH.sum(0)
        return torch.einsum("p,pnh->nh", self.counts_P, attention_PNH)

    def _mlp(self, x_NH: torch.Tensor, attention_PNH: torch.Tensor) -> torch.Tensor:
        w, seen_PNH = self.weights, attention_PNH
        if self.seen_PP is not None:
            seen_PNH = torch.einsum("ji,inh->jnh", self.seen_PP, attention_PNH)
        gate_up_PNG = torch.bmm(rms(x_NH + seen_PNH, self.eps), w.gate_up_PHG)
        if w.gate_up_bias_PG is not None:
            gate_up_PNG = gate_up_PNG + w.gate_up_bias_PG[:, None]
        gate_PNI, up_PNI = gate_up_PNG.chunk(2, dim=-1)
        active_NM = (F.silu(gate_PNI) * up_PNI).transpose(0, 1).flatten(1)
        down_NH = active_NM @ w.down_MH
        return down_NH if w.down_bias_H is None else down_NH + w.down_bias_H

"""One rank's part of one stage over packed weights: what `LayerGroup` says, in a few products.

Shape suffixes: B sequences, T tokens, H hidden size, P layers whose attention this rank computes,
J layers whose MLP it computes, I attentions that those read, N = B x T, D head size, Q and K query
and key-value heads of all its layers, A query heads x head size of one layer.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.engine.attention import Growing, Span
from cqil.engine.heads import Heads
from cqil.engine.layout import Task
from cqil.engine.links import Links, Pending
from cqil.engine.products import product, products
from cqil.engine.weights import AttentionWeights, MlpWeights


def rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """Root-mean-square norm without gain, computed in at least float32."""
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    return (exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x_BQTD: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor) -> torch.Tensor:
    """Rotary positions in LLaMA's half-rotated layout."""
    first, second = x_BQTD.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x_BQTD * cos_BTD[:, None] + turned * sin_BTD[:, None]


class StageRunner:
    """Runs a task. Raises nothing of its own: shapes are checked when weights are packed."""

    def __init__(
        self,
        task: Task,
        attention: AttentionWeights | None,
        mlp: MlpWeights | None,
        heads: Heads,
        eps: float,
        links: Links,
        like: torch.Tensor,
    ) -> None:
        self.task, self.attention, self.mlp = task, attention, mlp
        self.heads, self.eps, self.links = heads, eps, links
        self.layers = tuple(task.mixing.attentions[a] for a in task.attentions)
        """Original indices of the layers whose attention runs here."""
        # Attentions in hand before the MLPs run: own ones, then those of other lanes.
        held = [*task.attentions, *(a for a, _ in task.receives)]
        seen = [[task.mixing.seen[m][a] for a in held] for m in task.mlps]
        plain = task.collapsed or seen == [
            [i == j for i in range(len(held))] for j in range(len(held))
        ]
        self.seen_JI = None if plain else like.new_tensor(seen)
        counts = [task.mixing.counts[a] for a in task.attentions]
        self.counts_P = None if set(counts) <= {1} else like.new_tensor(counts)

    def __call__(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, span: Span
    ) -> torch.Tensor:
        """[B, T, H] -> [B, T, H], in which other ranks' parts are included."""
        task, x_NH = self.task, x_BTH.flatten(0, 1)
        if task.enter:
            x_NH = x_NH.contiguous()
            self.links.broadcast(x_NH, task.enter)
        own_PNH = self.attend(x_NH.view_as(x_BTH), cos_BTD, sin_BTD, span)
        if own_PNH is not None and task.attention_sum:
            self.links.all_reduce(own_PNH, task.attention_sum)
        held_INH, pending = self._exchanged(own_PNH, x_NH)
        increment_NH = self._mlp(x_NH, held_INH)
        if own_PNH is not None and (task.partial or task.shard.index == 0):
            increment_NH = increment_NH + self._summed(own_PNH)
        if task.total:
            self.links.all_reduce(increment_NH, task.total)
        pending.wait_sent()
        return (x_NH + task.mixing.scale * increment_NH).view_as(x_BTH)

    def attend(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, span: Span
    ) -> torch.Tensor | None:
        """[P, N, H], of this shard; [1, N, H] where only the layers' sum matters."""
        w = self.attention
        if w is None:
            return None
        batch, tokens, _ = x_BTH.shape
        layers, width, _ = w.out_PAH.shape
        qkv_NO = product(rms(x_BTH, self.eps).flatten(0, 1), w.qkv_HO)
        if w.qkv_bias_O is not None:
            qkv_NO = qkv_NO + w.qkv_bias_O
        heads = qkv_NO.view(batch, tokens, -1, self.heads.size).transpose(1, 2)
        keys = layers * len(self.heads.keys)
        q_BQTD, k_BKTD, v_BKTD = heads.split((heads.shape[1] - 2 * keys, keys, keys), dim=1)
        q_BQTD, k_BKTD = (rotate(part, cos_BTD, sin_BTD) for part in (q_BQTD, k_BKTD))
        mixed_BQTD = span.attend(self.layers, self.heads, q_BQTD, k_BKTD, v_BKTD)
        mixed_PNA = (
            mixed_BQTD.view(batch, layers, -1, tokens, self.heads.size)
            .permute(1, 0, 3, 2, 4)
            .reshape(layers, batch * tokens, width)
        )
        out_PNH = products(mixed_PNA, w.out_PAH)
        if w.out_bias_PH is not None:
            out_PNH = out_PNH + w.out_bias_PH[:, None]
        if self.task.collapsed and layers > 1:
            out_PNH = out_PNH.sum(0, keepdim=True)
        return out_PNH

    def remember(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, span: Growing
    ) -> None:
        """Caches keys and values of states that go on unchanged; the rest is left out."""
        w, (batch, tokens, _) = self.attention, x_BTH.shape
        if w is None:
            return
        # Queries come first in the packed rows.
        own = slice(-2 * len(self.layers) * len(self.heads.keys) * self.heads.size, None)
        kv_NO = product(rms(x_BTH, self.eps).flatten(0, 1), w.qkv_HO[:, own])
        if w.qkv_bias_O is not None:
            kv_NO = kv_NO + w.qkv_bias_O[own]
        heads = kv_NO.view(batch, tokens, -1, self.heads.size).transpose(1, 2)
        k_BKTD, v_BKTD = heads.chunk(2, dim=1)
        span.remember(self.layers, rotate(k_BKTD, cos_BTD, sin_BTD), v_BKTD)

    def _exchanged(
        self, own_PNH: torch.Tensor | None, x_NH: torch.Tensor
    ) -> tuple[torch.Tensor, Pending]:
        """Attentions [I, N, H] that MLPs read, own before received; and what is still leaving."""
        task = self.task
        arriving = [torch.empty_like(x_NH) for _ in task.receives]
        receives = [(box, peer) for box, (_, peer) in zip(arriving, task.receives, strict=True)]
        place = {a: i for i, a in enumerate(task.attentions)}
        sends = [(own_PNH[place[a]], peer) for a, peer in task.sends] if own_PNH is not None else []
        pending = self.links.exchange(receives, sends)
        pending.wait_received()
        parts = [] if own_PNH is None else [own_PNH]
        if arriving:
            parts.append(torch.stack(arriving))
        held_INH = (
            parts[0] if len(parts) == 1 else torch.cat([x_NH.new_empty(0, *x_NH.shape), *parts])
        )
        return held_INH, pending

    def _summed(self, own_PNH: torch.Tensor) -> torch.Tensor:
        """[N, H]: own attentions, each as often as the stage's sum holds it."""
        if self.counts_P is None:
            return own_PNH.sum(0) if len(own_PNH) > 1 else own_PNH[0]
        return torch.einsum("p,pnh->nh", self.counts_P, own_PNH)

    def _mlp(self, x_NH: torch.Tensor, held_INH: torch.Tensor) -> torch.Tensor:
        """[N, H]: the sum of this rank's MLPs."""
        if self.mlp is None:
            return torch.zeros_like(x_NH)
        seen_JNH = held_INH
        if self.seen_JI is not None:
            seen_JNH = torch.einsum("ji,inh->jnh", self.seen_JI, held_INH)
        return self.feed(x_NH + seen_JNH)

    def feed(self, h_JNH: torch.Tensor) -> torch.Tensor:
        """[J, N, H], or [1, N, H] for all -> [N, H]: what the MLPs say to it, of this shard."""
        w = self.mlp
        assert w is not None
        read_JNH = rms(h_JNH, self.eps).expand(len(w.gate_up_PHG), -1, -1)
        gate_up_JNG = products(read_JNH, w.gate_up_PHG)
        if w.gate_up_bias_PG is not None:
            gate_up_JNG = gate_up_JNG + w.gate_up_bias_PG[:, None]
        gate, up = gate_up_JNG.chunk(2, dim=-1)
        active_NM = (F.silu(gate) * up).transpose(0, 1).flatten(1)
        down_NH = product(active_NM, w.down_MH)
        return down_NH if w.down_bias_H is None else down_NH + w.down_bias_H

"""One rank's part of one stage over packed weights: the maths of a stage in few products.

Shape suffixes: B sequences, T tokens, H hidden size, P layers whose attention this rank computes,
J layers whose MLP it computes, I attentions that those read, N = B x T, D head size, Q and K query
and key-value heads of all its layers, A query heads x head size of one layer.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.engine.layers.attention import AttentionContext, GrowingContext
from cqil.engine.layers.matmul import batched_matmul, matmul
from cqil.engine.layers.rotary_embedding import apply_rotary
from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.communicator import Communicator, PendingMessages
from cqil.engine.parallel.rank_assignment import RankStage
from cqil.engine.weights.packed_weights import AttentionWeights, MlpWeights


class StageRunner:
    """Runs one stage. It checks no shapes: that is done when weights are packed."""

    def __init__(
        self,
        stage: RankStage,
        attention: AttentionWeights | None,
        mlp: MlpWeights | None,
        heads: AttentionHeads,
        eps: float,
        communicator: Communicator,
        like: torch.Tensor,
    ) -> None:
        """`eps`: of the RMS norms; `like`: a tensor of the weights' dtype and device."""
        self.stage, self.attention, self.mlp = stage, attention, mlp
        self.heads, self.eps, self.communicator = heads, eps, communicator
        dataflow = stage.dataflow
        self.layers = tuple(dataflow.attentions[a] for a in stage.attentions)
        """Original indices of the layers whose attention runs here."""
        # This rank's attentions come first, then those received from other ranks.
        available = [*stage.attentions, *(a for a, _ in stage.receives)]
        reads = [[dataflow.mlp_reads_attention[m][a] for a in available] for m in stage.mlps]
        one_to_one = [[i == j for i in range(len(available))] for j in range(len(available))]
        no_mixing = stage.only_sum_is_read or reads == one_to_one
        self.reads_JI = None if no_mixing else like.new_tensor(reads)
        sum_weights = [dataflow.attention_weight_in_sum[a] for a in stage.attentions]
        self.sum_weights_P = None if set(sum_weights) <= {1} else like.new_tensor(sum_weights)

    def __call__(
        self,
        x_BTH: torch.Tensor,
        cos_BTD: torch.Tensor,
        sin_BTD: torch.Tensor,
        context: AttentionContext,
    ) -> torch.Tensor:
        """[B, T, H] -> [B, T, H]: the output of the stage, summed over ranks."""
        stage, x_NH = self.stage, x_BTH.flatten(0, 1)
        if stage.broadcast_input:
            x_NH = x_NH.contiguous()
            self.communicator.broadcast(x_NH, stage.broadcast_input)
        attention_PNH = self.attend(x_NH.view_as(x_BTH), cos_BTD, sin_BTD, context)
        if attention_PNH is not None and stage.reduce_attention:
            self.communicator.all_reduce(attention_PNH, stage.reduce_attention)
        available_INH, pending = self._exchange(attention_PNH, x_NH)
        increment_NH = self._mlp(x_NH, available_INH)
        if attention_PNH is not None and (stage.defer_attention_reduce or stage.shard.index == 0):
            increment_NH = increment_NH + self._weighted_sum(attention_PNH)
        if stage.reduce_output:
            self.communicator.all_reduce(increment_NH, stage.reduce_output)
        pending.wait_sent()
        return torch.add(x_NH, increment_NH, alpha=stage.dataflow.scale).view_as(x_BTH)

    def attend(
        self,
        x_BTH: torch.Tensor,
        cos_BTD: torch.Tensor,
        sin_BTD: torch.Tensor,
        context: AttentionContext,
    ) -> torch.Tensor | None:
        """Attention outputs [P, N, H] of this shard; [1, N, H] where only their sum is read.

        None on a rank that computes no attention of the stage.
        """
        w = self.attention
        if w is None:
            return None
        batch, tokens, hidden = x_BTH.shape
        layers, width, _ = w.out_PAH.shape
        x_NH = F.rms_norm(x_BTH, (hidden,), eps=self.eps).flatten(0, 1)
        qkv_NO = matmul(x_NH, w.qkv_HO)
        if w.qkv_bias_O is not None:
            qkv_NO = qkv_NO + w.qkv_bias_O
        heads = qkv_NO.view(batch, tokens, -1, self.heads.head_dim).transpose(1, 2)
        kv_heads = layers * len(self.heads.kv_heads)
        query_heads = heads.shape[1] - 2 * kv_heads
        q_BQTD, k_BKTD, v_BKTD = heads.split((query_heads, kv_heads, kv_heads), dim=1)
        q_BQTD, k_BKTD = (apply_rotary(part, cos_BTD, sin_BTD) for part in (q_BQTD, k_BKTD))
        attended_BQTD = context.attend(self.layers, self.heads, q_BQTD, k_BKTD, v_BKTD)
        attended_PNA = (
            attended_BQTD.view(batch, layers, -1, tokens, self.heads.head_dim)
            .permute(1, 0, 3, 2, 4)
            .reshape(layers, batch * tokens, width)
        )
        out_PNH = batched_matmul(attended_PNA, w.out_PAH)
        if w.out_bias_PH is not None:
            out_PNH = out_PNH + w.out_bias_PH[:, None]
        if self.stage.only_sum_is_read and layers > 1:
            out_PNH = out_PNH.sum(0, keepdim=True)
        return out_PNH

    def append_kv(
        self,
        x_BTH: torch.Tensor,
        cos_BTD: torch.Tensor,
        sin_BTD: torch.Tensor,
        context: GrowingContext,
    ) -> None:
        """Caches keys and values of the states [B, T, H], and computes nothing else."""
        w, (batch, tokens, hidden) = self.attention, x_BTH.shape
        if w is None:
            return
        # Queries come first among the packed columns, keys and values last.
        kv_width = 2 * len(self.layers) * len(self.heads.kv_heads) * self.heads.head_dim
        kv_columns = slice(-kv_width, None)
        x_NH = F.rms_norm(x_BTH, (hidden,), eps=self.eps).flatten(0, 1)
        kv_NO = matmul(x_NH, w.qkv_HO[:, kv_columns])
        if w.qkv_bias_O is not None:
            kv_NO = kv_NO + w.qkv_bias_O[kv_columns]
        heads = kv_NO.view(batch, tokens, -1, self.heads.head_dim).transpose(1, 2)
        k_BKTD, v_BKTD = heads.chunk(2, dim=1)
        context.append_kv(self.layers, apply_rotary(k_BKTD, cos_BTD, sin_BTD), v_BKTD)

    def _exchange(
        self, attention_PNH: torch.Tensor | None, x_NH: torch.Tensor
    ) -> tuple[torch.Tensor, PendingMessages]:
        """Attentions [I, N, H] that this rank's MLPs read, and messages that may be unsent."""
        stage = self.stage
        receives = [(torch.empty_like(x_NH), peer) for _, peer in stage.receives]
        sends = []
        if attention_PNH is not None:
            index_of = {a: i for i, a in enumerate(stage.attentions)}
            sends = [(attention_PNH[index_of[a]], peer) for a, peer in stage.sends]
        pending = self.communicator.exchange(receives, sends)
        pending.wait_received()
        parts = [] if attention_PNH is None else [attention_PNH]
        if receives:
            parts.append(torch.stack([received_NH for received_NH, _ in receives]))
        if len(parts) == 1:
            return parts[0], pending
        return torch.cat([x_NH.new_empty(0, *x_NH.shape), *parts]), pending

    def _weighted_sum(self, attention_PNH: torch.Tensor) -> torch.Tensor:
        """[N, H]: the sum of this rank's attentions under `attention_weight_in_sum`."""
        if self.sum_weights_P is None:
            return attention_PNH.sum(0) if len(attention_PNH) > 1 else attention_PNH[0]
        return torch.einsum("p,pnh->nh", self.sum_weights_P, attention_PNH)

    def _mlp(self, x_NH: torch.Tensor, available_INH: torch.Tensor) -> torch.Tensor:
        """[N, H]: the sum of this rank's MLPs."""
        if self.mlp is None:
            return torch.zeros_like(x_NH)
        read_JNH = available_INH
        if self.reads_JI is not None:
            read_JNH = torch.einsum("ji,inh->jnh", self.reads_JI, available_INH)
        return self.feed_forward(x_NH + read_JNH)

    def feed_forward(self, h_JNH: torch.Tensor) -> torch.Tensor:
        """[J, N, H] -> [N, H]: the sum of this shard's MLPs; [1, N, H] is the input of all."""
        w = self.mlp
        assert w is not None
        x_JNH = F.rms_norm(h_JNH, h_JNH.shape[-1:], eps=self.eps)
        gate_up_JNG = batched_matmul(x_JNH.expand(len(w.gate_up_PHG), -1, -1), w.gate_up_PHG)
        if w.gate_up_bias_PG is not None:
            gate_up_JNG = gate_up_JNG + w.gate_up_bias_PG[:, None]
        gate, up = gate_up_JNG.chunk(2, dim=-1)
        active_NM = (F.silu(gate) * up).transpose(0, 1).flatten(1)
        down_NH = matmul(active_NM, w.down_MH)
        return down_NH if w.down_bias_H is None else down_NH + w.down_bias_H

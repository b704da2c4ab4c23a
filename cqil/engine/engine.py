"""The one-device engine: any plan over packed weights, with a static cache.

    engine = Engine.load("llama-7b", uniform_plan(32, 12, 30, 2), dtype=torch.bfloat16)
    tokens = engine.generate(prompt_BT, max_new_tokens=64)

It equals `PlannedLlamaForCausalLM`; tests hold them together in float64 on random plans.
Shape suffixes: B sequences, T tokens, H hidden size, V vocabulary, D head size.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from cqil.engine.cache import StaticCache
from cqil.engine.checkpoint import open_shards
from cqil.engine.stage import Attend, StageRunner, rms
from cqil.engine.weights import Read, pack_stage, weight
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan, Stage, Stages


class Engine:
    """Prefill, decode steps and generation for one plan on one device."""

    def __init__(self, config: LlamaConfig, plan: LayerPlan, read: Read) -> None:
        """`read` gives the tensors of a dense checkpoint. Raises ValueError as `load` does."""
        plan.check_depth(config.num_hidden_layers)
        self.config, self.plan = config, plan
        embedding_VH = weight(read, "model.embed_tokens.weight")
        tied = config.tie_word_embeddings
        head_VH = embedding_VH if tied else weight(read, "lm_head.weight")
        # Tied weights are held once, as the head wants them; an embedding is then a column.
        self.head_HV = head_VH.T.contiguous()
        self.embedding_VH = self.head_HV.T if tied else embedding_VH
        # The last norm's gain cannot be folded into a head that is tied to the embedding.
        self.gain_H = weight(read, "model.norm.weight")
        self.rotary = LlamaRotaryEmbedding(config).to(embedding_VH.device)
        packed: dict[Stage, StageRunner] = {}
        self.decode_stages = self._pack(plan.groups, read, packed)
        self.prefill_stages = self._pack(plan.prefill_groups, read, packed)
        self.cache: StaticCache | None = None
        self.mask_BT: torch.Tensor | None = None

    @classmethod
    def load(
        cls, path: str, plan: LayerPlan, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> Engine:
        """From a directory of safetensors.

        Raises ValueError for a model that is no LLaMA, a plan for another depth, a missing shard,
        and weights that are not finite.
        """
        return cls(read_config(path), plan, open_shards(Path(path), dtype, device))

    @classmethod
    def from_dense(cls, dense: LlamaForCausalLM, plan: LayerPlan) -> Engine:
        """From a model in memory; weights are copied into their packed form."""
        return cls(dense.config, plan, dense.state_dict().get)

    def _pack(
        self, stages: Stages, read: Read, packed: dict[Stage, StageRunner]
    ) -> list[StageRunner]:
        head_size, eps = self.config.head_dim, self.config.rms_norm_eps
        assert head_size is not None
        for stage in stages:
            if stage not in packed:
                weights = pack_stage(stage, read)
                packed[stage] = StageRunner(weights, self.plan, head_size, eps)
        return [packed[stage] for stage in stages]

    @torch.inference_mode()
    def prefill(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None = None, *, max_tokens: int
    ) -> torch.Tensor:
        """Starts afresh with a prompt, padded on the left where `mask_BT` is 0.

        Returns the logits [B, V] of the first new token. `max_tokens` bounds prompt and answer.
        Raises ValueError where the prompt does not fit.
        """
        batch, tokens = ids_BT.shape
        if tokens > max_tokens:
            raise ValueError(f"max_tokens: {max_tokens} is less than the prompt's {tokens} tokens")
        heads, head_size = self.config.num_key_value_heads, self.config.head_dim
        assert heads is not None
        assert head_size is not None
        self.cache = StaticCache(self.plan, batch, max_tokens, heads, head_size, like=self.gain_H)
        self.mask_BT = ids_BT.new_ones(batch, max_tokens, dtype=torch.bool)
        if mask_BT is not None:
            self.mask_BT[:, :tokens] = mask_BT.bool()
        return self._run(self.prefill_stages, ids_BT)[:, -1]

    @torch.inference_mode()
    def decode_step(self, token_B: torch.Tensor) -> torch.Tensor:
        """Feeds one token a sequence; returns the logits [B, V] of the next.

        Raises ValueError before a prefill and when the cache is full.
        """
        if self.cache is None:
            raise ValueError("decode_step: there is no prompt yet; call prefill first")
        if self.cache.length == self.cache.max_tokens:
            raise ValueError(f"max_tokens: the cache is full at {self.cache.max_tokens} tokens")
        return self._run(self.decode_stages, token_B[:, None])[:, -1]

    def _run(self, runners: list[StageRunner], ids_BT: torch.Tensor) -> torch.Tensor:
        """Logits [B, 1, V] of the last position; the cache grows by T tokens."""
        cache, mask_BT = self.cache, self.mask_BT
        assert cache is not None
        assert mask_BT is not None
        end = cache.length + ids_BT.shape[1]
        x_BTH = self.embedding_VH[ids_BT]
        positions_BT = (mask_BT[:, :end].cumsum(-1) - 1).clamp(min=0)[:, cache.length :]
        cos_BTD, sin_BTD = self.rotary(x_BTH, positions_BT)
        allowed = _allowed(mask_BT[:, :end], cache.length)
        for runner in runners:
            attend = _attend(cache, runner.weights.stage, allowed)
            x_BTH = runner(x_BTH, cos_BTD, sin_BTD, attend)
        cache.length = end
        last_BTH = rms(x_BTH[:, -1:], self.config.rms_norm_eps) * self.gain_H
        return last_BTH @ self.head_HV

    @torch.inference_mode()
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

        A sequence that has ended goes on with the pad token, as in Transformers.
        """
        ends = torch.tensor(_ends(self.config), device=ids_BT.device)
        pad = self.config.pad_token_id if self.config.pad_token_id is not None else 0
        logits_BV = self.prefill(ids_BT, mask_BT, max_tokens=ids_BT.shape[1] + max_new_tokens)
        running_B = torch.ones(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
        tokens: list[torch.Tensor] = []
        while True:
            token_B = _choose(logits_BV, temperature, generator).where(running_B, pad)
            tokens.append(token_B)
            running_B = running_B & ~torch.isin(token_B, ends)
            if len(tokens) == max_new_tokens or not bool(running_B.any()):
                return torch.stack(tokens, dim=1)
            logits_BV = self.decode_step(token_B)


def _attend(cache: StaticCache, stage: Stage, allowed: torch.Tensor | None) -> Attend:
    """Attention of a stage's layers over the cache; their heads are one batch of heads."""

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        cache.write(stage, k, v)
        if cache.length:
            k, v = cache.view(stage, cache.length + k.shape[2])
        causal = allowed is None and q.shape[2] > 1
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=allowed, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1]
        )

    return attend


def _allowed(mask_BT: torch.Tensor, seen: int) -> torch.Tensor | None:
    """[B, 1, new, T]: which tokens a new one may look at; None for causal without padding."""
    new = mask_BT.shape[1] - seen
    if bool(mask_BT.all()) and (seen == 0 or new == 1):
        return None
    causal = mask_BT.new_ones(new, mask_BT.shape[1]).tril(seen)
    # A padded position looks at itself, so that no row of the softmax is empty.
    itself = torch.eye(new, dtype=torch.bool, device=mask_BT.device)
    allowed = causal & mask_BT[:, None, None]
    allowed[..., seen:] |= itself
    return allowed


def _choose(
    logits_BV: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    if temperature == 0:
        return logits_BV.argmax(-1)
    shares = (logits_BV.float() / temperature).softmax(-1)
    return torch.multinomial(shares, 1, generator=generator)[:, 0]


def _ends(config: LlamaConfig) -> list[int]:
    ends = config.eos_token_id
    if ends is None:
        return []
    return ends if isinstance(ends, list) else [ends]

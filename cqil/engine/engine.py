"""The engine: any plan over packed weights with a static cache, on one device or spread over ranks.

    engine = Engine.load("llama-7b", uniform_plan(32, 12, 30, 2), dtype=torch.bfloat16)
    tokens = engine.generate(prompt_BT, max_new_tokens=64)

On several ranks each makes its own engine for the same layout, and all call the same methods with
the same arguments. It equals `PlannedLlamaForCausalLM`; tests hold them together in float64 on
random plans. Shape suffixes: B sequences, T tokens, H hidden size, V vocabulary, D head size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from cqil.engine.attention import Growing, Span
from cqil.engine.cache import StaticCache
from cqil.engine.checkpoint import check_config, open_shards
from cqil.engine.ends import Ends
from cqil.engine.ladder import Runner
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.engine.leaving import Leaving, check_exits
from cqil.engine.links import LINKS, check_links, check_rank
from cqil.engine.packing import Packer, Program
from cqil.engine.prompt import check_prompt
from cqil.engine.replay import Mode, Replay, check_mode
from cqil.engine.weights import Read, weight, with_biases
from cqil.exits import Exit
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan
from cqil.schedule import Schedule


class Engine:
    """Prefill, decode steps and generation for one plan, or one schedule of plans."""

    def __init__(
        self,
        config: LlamaConfig,
        plan: LayerPlan | Schedule,
        read: Read,
        *,
        layout: Layout = ONE_DEVICE,
        rank: int = 0,
        links: str = "library",
        mode: Mode = "eager",
        exits: Exit | None = None,
    ) -> None:
        """`read` gives the tensors of a dense checkpoint; `links` is a key of `LINKS`. With
        `exits`, decoded tokens leave the plan's stages early.

        Raises ValueError as `load` does.
        """
        self.schedule = plan if isinstance(plan, Schedule) else Schedule((plan,))
        self.schedule.plans[0].check_depth(config.num_hidden_layers)
        check_config(config)
        read = with_biases(config, read)
        self.config, self.layout, self.rank = config, layout, rank
        gain_H = weight(read, "model.norm.weight")
        self.device = gain_H.device
        check_mode(mode, self.device)
        check_links(links, self.device)
        check_rank(layout, rank)
        check_exits(exits, layout, mode)
        self.leaving = None if exits is None else Leaving(self, exits)
        self.mode: Mode = mode
        self.links = LINKS[links](layout)
        self.ends = Ends(config, gain_H, layout.head(rank), self.links, read)
        self.rotary = LlamaRotaryEmbedding(config).to(self.device)
        packer = Packer(config, read, self.links, like=gain_H)
        self.program: Program = packer.program(self.schedule.plans, layout, rank)
        self.cache: StaticCache | None = None
        self.replay: Replay | None = None

    @classmethod
    def load(
        cls,
        path: str,
        plan: LayerPlan | Schedule,
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        **options: Any,
    ) -> Engine:
        """From a directory of safetensors; a rank reads its own tensors only. `options`: see above.

        Raises ValueError for a model that is no LLaMA, a plan for another depth, a missing or
        damaged shard, weights that are not finite, and a layout or mode that cannot be had.
        """
        return cls(read_config(path), plan, open_shards(Path(path), dtype, device), **options)

    @classmethod
    def from_dense(
        cls, dense: LlamaForCausalLM, plan: LayerPlan | Schedule, **options: Any
    ) -> Engine:
        """From a model in memory; weights are copied into their packed form."""
        weights = dense.state_dict()

        def read(name: str, *index: slice) -> torch.Tensor | None:
            return weights[name][index] if name in weights else None

        return cls(dense.config, plan, read, **options)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights that this rank holds."""
        return self.program.weight_bytes + self.ends.weight_bytes

    @property
    def step_bytes(self) -> int:
        """Bytes that a decode step of the first plan reads here: weights, and the cache so far."""
        cache, read = self.cache, self.program.step_bytes + self.ends.step_bytes
        if cache is None:
            return read
        seen = cache.length if self.mode == "eager" else cache.max_tokens
        return read + cache.nbytes * seen // cache.max_tokens

    @property
    def depths(self) -> list[torch.Tensor]:
        """Stages that each sequence ran [B], one entry a step since the prompt; of exits alone."""
        return [] if self.leaving is None else self.leaving.depths

    @torch.inference_mode()
    def prefill(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None = None, *, max_tokens: int
    ) -> torch.Tensor | None:
        """Starts afresh with a prompt, padded on the left where `mask_BT` is 0.

        Returns the logits [B, V] of the first new token, or None on a rank without the head.
        `max_tokens` bounds prompt and answer. Raises ValueError as `check_prompt` does.
        """
        check_prompt(ids_BT, mask_BT, max_tokens)
        batch, tokens = ids_BT.shape
        self._clear_cache(batch, max_tokens)
        if self.leaving is not None:
            self.leaving.depths = []
        assert self.cache is not None
        self.prompt_tokens = tokens
        pads_B = ids_BT.new_zeros(batch) if mask_BT is None else (mask_BT == 0).sum(-1)
        self.pads_B.copy_(pads_B)
        self.padded = mask_BT is not None and bool(pads_B.any())
        span = Growing(self.cache, self.pads_B, self.padded, tokens)
        logits_BV = self.run(self.program.prefill, ids_BT, span)
        self.cache.length = tokens
        return logits_BV

    @torch.inference_mode()
    def decode_step(self, token_B: torch.Tensor) -> torch.Tensor | None:
        """Feeds one token a sequence; returns the logits [B, V] of the next, or None as above.

        A rank without the embedding takes any tensor of that shape. Under graphs the logits are
        overwritten by the next step. Raises ValueError before a prefill and when the cache is full.
        """
        cache = self.cache
        if cache is None:
            raise ValueError("decode_step: there is no prompt yet; call prefill first")
        if cache.length == cache.max_tokens:
            raise ValueError(f"max_tokens: the cache is full at {cache.max_tokens} tokens")
        plan = self.schedule.index_at(cache.length - self.prompt_tokens)
        if self.mode == "eager":
            span = Growing(cache, self.pads_B, self.padded, 1)
            run = self.run if self.leaving is None else self.leaving.run
            logits_BV = run(self.program.decode[plan], token_B[:, None], span)
        else:
            if self.replay is None or self.replay.mode != self.mode:
                self.replay = Replay(self, self.mode)
            logits_BV = self.replay.step(plan, token_B)
        cache.length += 1
        return logits_BV

    def run(self, runners: list[Runner], ids_BT: torch.Tensor, span: Span) -> torch.Tensor | None:
        """Logits [B, V] of the last position."""
        x_BTH = self.ends.embed(ids_BT)
        cos_BTD, sin_BTD = self.rotary(x_BTH, span.positions_BT)
        for runner in runners:
            x_BTH = runner(x_BTH, cos_BTD, sin_BTD, span)
        return self.ends.logits(x_BTH[:, -1])

    def _clear_cache(self, batch: int, max_tokens: int) -> None:
        """Keeps memory and captured graphs where the shape stays."""
        if self.cache is not None and self.cache.shape == (batch, max_tokens):
            self.cache.length = 0
            return
        self.cache = self.replay = None
        head_size = self.program.head_size
        self.cache = StaticCache(
            self.program.cached_heads, batch, max_tokens, head_size, self.ends.gain_H
        )
        self.pads_B = torch.zeros(batch, dtype=torch.long, device=self.device)

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

        A sequence that has ended goes on with the pad token, as in Transformers. Every rank returns
        the same tokens; to sample, ranks with the head need generators of one seed.
        """
        tokens = self.stream(
            ids_BT,
            mask_BT,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            generator=generator,
        )
        return torch.stack(list(tokens), dim=1)

    @torch.inference_mode()
    def stream(
        self,
        ids_BT: torch.Tensor,
        mask_BT: torch.Tensor | None = None,
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[torch.Tensor]:
        """As `generate`, but gives each step's tokens [B] as soon as they are known."""
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: {max_new_tokens} must be at least 1")
        ends = torch.tensor(_ends(self.config), device=ids_BT.device)
        pad = self.config.pad_token_id if self.config.pad_token_id is not None else 0
        logits_BV = self.prefill(ids_BT, mask_BT, max_tokens=ids_BT.shape[1] + max_new_tokens)
        running_B = torch.ones(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
        for left in reversed(range(max_new_tokens)):
            token_B = self._agreed(logits_BV, running_B, temperature, generator)
            token_B = token_B.where(running_B, pad)
            yield token_B
            running_B = running_B & ~torch.isin(token_B, ends)
            if not left or not bool(running_B.any()):
                return
            logits_BV = self.decode_step(token_B)

    def _agreed(
        self,
        logits_BV: torch.Tensor | None,
        running_B: torch.Tensor,
        temperature: float,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """The next token [B]. The first lane's choice holds, so that all ranks end together."""
        if logits_BV is None:
            token_B = torch.zeros_like(running_B, dtype=torch.long)
        else:
            token_B = _choose(logits_BV, temperature, generator)
        if self.layout.lanes > 1 and self.layout.outside != "sharded":
            self.links.broadcast(token_B, self.layout.column(self.rank))
        return token_B


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

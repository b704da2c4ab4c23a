"""The engine: any plan over packed weights with a static cache, on one device or spread over ranks.

    engine = Engine.load("llama-7b", uniform_plan(32, 12, 30, 2), dtype=torch.bfloat16)
    tokens_BT = engine.generate(prompt_BT, max_new_tokens=64)

On several ranks each makes its own engine for the same layout, and all call the same methods with
the same arguments. It equals `PlannedLlamaForCausalLM`; tests hold them together in float64 on
random plans. Shape suffixes: B sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from cqil.engine.captured_decode import CapturedDecode
from cqil.engine.decode_state import DecodeState
from cqil.engine.early_exit_decoder import EarlyExitDecoder
from cqil.engine.forward_pass import ForwardPass
from cqil.engine.layers.embedding_and_lm_head import EmbeddingAndLMHead
from cqil.engine.layers.kv_cache import StaticCache
from cqil.engine.options import EngineOptions, ExecutionMode, check_execution_mode
from cqil.engine.parallel.communicator import COMMUNICATORS, check_rank
from cqil.engine.prompt_checks import check_prompt
from cqil.engine.rank_program import RankProgram, WeightPacker
from cqil.engine.sampling import choose_tokens, eos_token_ids
from cqil.engine.weights.checkpoint_checks import check_config
from cqil.engine.weights.safetensors_reader import open_safetensors
from cqil.engine.weights.tensor_reader import TensorReader, read_weight, with_biases
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan
from cqil.plan.schedule import Schedule


class Engine:
    """Prefill, decode steps and generation for one plan, or one schedule of plans."""

    def __init__(
        self,
        config: LlamaConfig,
        plan: LayerPlan | Schedule,
        read: TensorReader,
        *,
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
    ) -> None:
        """`read` gives the tensors of a dense checkpoint.

        Raises ValueError for a plan of another depth, weights that are missing or not finite, and
        options that the device or each other rule out.
        """
        self.schedule = plan if isinstance(plan, Schedule) else Schedule((plan,))
        self.schedule.plans[0].check_depth(config.num_hidden_layers)
        check_config(config)
        read = with_biases(config, read)
        self.config, self.layout, self.rank = config, options.layout, rank
        norm_weight_H = read_weight(read, "model.norm.weight")
        self.device = norm_weight_H.device
        options.check(self.device.type)
        check_rank(self.layout, rank)
        self.mode: ExecutionMode = options.mode
        self.communicator = COMMUNICATORS[options.communicator](self.layout)
        lm_head_shard = self.layout.lm_head_shard(rank)
        self.head = EmbeddingAndLMHead(
            config, norm_weight_H, lm_head_shard, self.communicator, read
        )
        self.forward = ForwardPass(self.head, LlamaRotaryEmbedding(config).to(self.device))
        packer = WeightPacker(config, read, self.communicator, like=norm_weight_H)
        self.program: RankProgram = packer.program(self.schedule.plans, self.layout, rank)
        rule = options.early_exit
        self.early_exit = None if rule is None else EarlyExitDecoder(self.forward, rule)
        self.state: DecodeState | None = None
        self._captured: CapturedDecode | None = None

    @classmethod
    def load(
        cls,
        path: str,
        plan: LayerPlan | Schedule,
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
    ) -> Engine:
        """From a directory of safetensors; each rank reads its own tensors only.

        Raises ValueError for a model that is not a LLaMA, a plan for another depth, a shard that is
        missing or damaged, weights that are not finite, and options that cannot be had.
        """
        reader = open_safetensors(Path(path), dtype, device)
        return cls(read_config(path), plan, reader, rank=rank, options=options)

    @classmethod
    def from_dense(
        cls,
        dense: LlamaForCausalLM,
        plan: LayerPlan | Schedule,
        *,
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
    ) -> Engine:
        """From a model in memory; weights are copied into their packed form."""
        weights = dense.state_dict()

        def read(name: str, *index: slice) -> torch.Tensor | None:
            return weights[name][index] if name in weights else None

        return cls(dense.config, plan, read, rank=rank, options=options)

    def set_mode(self, mode: ExecutionMode) -> None:
        """Runs the decode steps to come in another mode.

        Raises ValueError where the device cannot run it.
        """
        check_execution_mode(mode, self.device.type)
        self.mode = mode

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights that this rank holds."""
        return self.program.weight_bytes + self.head.weight_bytes

    @property
    def step_bytes(self) -> int:
        """Bytes that a decode step of the first plan reads here: weights, and the cache so far."""
        read = self.program.step_bytes + self.head.step_bytes
        if self.state is None:
            return read
        cache = self.state.cache
        seen = cache.length if self.mode == "eager" else cache.max_tokens
        return read + cache.nbytes * seen // cache.max_tokens

    @property
    def cache(self) -> StaticCache:
        """The key-value cache. Raises ValueError before the first prefill."""
        return self._state().cache

    @property
    def exit_depths(self) -> list[torch.Tensor]:
        """Stages that each sequence ran [B], one entry a step; empty without early exit."""
        return [] if self.early_exit is None else self.early_exit.depths

    @torch.inference_mode()
    def prefill(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None = None, *, max_tokens: int
    ) -> torch.Tensor | None:
        """Starts afresh with a prompt, padded on the left where `mask_BT` is 0.

        Returns the logits [B, V] of the first new token, or None on a rank without the LM head.
        `max_tokens` bounds prompt and answer. Raises ValueError as `check_prompt` does.
        """
        check_prompt(ids_BT, mask_BT, max_tokens)
        batch, tokens = ids_BT.shape
        if self.state is None or self.state.cache.shape != (batch, max_tokens):
            self.state = self._captured = None  # frees the memory before new memory is taken
            self.state = DecodeState.allocate(self._new_cache(batch, max_tokens))
        if self.early_exit is not None:
            self.early_exit.depths = []
        context = self.state.begin(ids_BT, mask_BT)
        logits_BV = self.forward(self.program.prefill, ids_BT, context)
        self.state.cache.length = tokens
        return logits_BV

    @torch.inference_mode()
    def decode_step(self, token_B: torch.Tensor) -> torch.Tensor | None:
        """Feeds one token a sequence; returns the logits [B, V] of the next.

        None on a rank without the LM head, which may be fed any tokens. In mode `cuda_graph` the
        next step overwrites the logits. Raises ValueError before a prefill and when the cache is
        full.
        """
        state = self._state()
        if state.cache.length == state.cache.max_tokens:
            raise ValueError(f"max_tokens: the cache is full at {state.cache.max_tokens} tokens")
        plan = self.schedule.index_at(state.decoded_tokens)
        if self.mode == "eager":
            run = self.forward if self.early_exit is None else self.early_exit.step
            logits_BV = run(self.program.decode[plan], token_B[:, None], state.context(1))
        else:
            logits_BV = self._captured_decode(state).step(plan, token_B)
        state.cache.length += 1
        return logits_BV

    def _state(self) -> DecodeState:
        if self.state is None:
            raise ValueError("decode_step: there is no prompt yet; call prefill first")
        return self.state

    def _new_cache(self, batch: int, max_tokens: int) -> StaticCache:
        program = self.program
        return StaticCache(
            program.cached_heads, batch, max_tokens, program.head_dim, self.head.norm_weight_H
        )

    def _captured_decode(self, state: DecodeState) -> CapturedDecode:
        if self._captured is None or self._captured.mode != self.mode:
            whole_graph = self.layout.world_size == 1
            self._captured = CapturedDecode(
                self.forward, self.program.decode, state, self.mode, whole_graph=whole_graph
            )
        return self._captured

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
        the same tokens; to sample, ranks with the LM head need generators of one seed.
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
        """As `generate`, but yields each step's tokens [B] as soon as they are known."""
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: {max_new_tokens} must be at least 1")
        eos = torch.tensor(eos_token_ids(self.config), device=ids_BT.device)
        pad = self.config.pad_token_id if self.config.pad_token_id is not None else 0
        logits_BV = self.prefill(ids_BT, mask_BT, max_tokens=ids_BT.shape[1] + max_new_tokens)
        running_B = torch.ones(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
        for left in reversed(range(max_new_tokens)):
            if logits_BV is None:
                token_B = torch.zeros_like(running_B, dtype=torch.long)
            else:
                token_B = choose_tokens(logits_BV, temperature, generator)
            token_B = self._agree(token_B).where(running_B, pad)
            yield token_B
            running_B = running_B & ~torch.isin(token_B, eos)
            if not left or not bool(running_B.any()):
                return
            logits_BV = self.decode_step(token_B)

    def _agree(self, token_B: torch.Tensor) -> torch.Tensor:
        """The tokens of the first group-parallel rank, so that all ranks end together."""
        layout = self.layout
        if layout.group_parallel_size > 1 and layout.ungrouped_layers != "shard":
            self.communicator.broadcast(token_B, layout.group_parallel_ranks(self.rank))
        return token_B

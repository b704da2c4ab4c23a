"""The engine: any plan over packed weights with a static cache, on one device or spread over ranks.

    engine = Engine.load("llama-7b", uniform_plan(32, 12, 30, 2), dtype=torch.bfloat16)
    tokens_BT = engine.generate(prompt_BT, max_new_tokens=64)

On several ranks each rank makes an engine for the same layout, and all ranks call the same methods
with the same arguments. An engine computes what `PlannedLlamaForCausalLM` does; tests compare them
in float64 on random plans. Shape suffixes: B sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from cqil.checkpoint import Checkpoint, open_checkpoint
from cqil.checkpoint.config_file import check_config
from cqil.checkpoint.generation_settings import GenerationSettings
from cqil.checkpoint.tensor_reader import TensorReader, read_weight
from cqil.edits.edited_weights import edited_reader
from cqil.edits.weight_edit import WeightEdit
from cqil.engine.captured_decode import CapturedDecode
from cqil.engine.decode_state import DecodeState
from cqil.engine.early_exit_decoder import EarlyExitDecoder
from cqil.engine.forward_pass import ForwardPass
from cqil.engine.generation_mixin import GenerationMixin
from cqil.engine.layers.embedding_and_lm_head import EmbeddingAndLMHead
from cqil.engine.layers.kv_cache import StaticCache
from cqil.engine.options import (
    EngineOptions,
    ExecutionMode,
    check_early_exit,
    check_execution_mode,
    check_ladder,
    check_rope_type,
)
from cqil.engine.parallel.communicator import COMMUNICATORS, check_rank
from cqil.engine.parallel.rank_device import rank_device
from cqil.engine.prompt_checks import check_prompt
from cqil.engine.rank_program import RankProgram, WeightPacker
from cqil.modeling.dense_model import check_dense_model
from cqil.plan import LayerPlan, dense_plan
from cqil.plan.schedule import Schedule


class Engine(GenerationMixin):
    """Prefill, decode steps and generation under one plan, or one schedule of plans."""

    def __init__(
        self,
        config: LlamaConfig,
        plan: LayerPlan | Schedule,
        read: TensorReader,
        *,
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
        generation: GenerationSettings | None = None,
    ) -> None:
        """`read`: reader of the tensors of a dense checkpoint; `generation`: default of `config`.

        Raises ValueError for a plan of another depth, weights that are missing or not finite, and
        options that the device does not support or that exclude each other.
        """
        self.schedule = plan if isinstance(plan, Schedule) else Schedule((plan,))
        self.schedule.plans[0].check_depth(config.num_hidden_layers)
        check_config(config)
        if generation is None:
            generation = GenerationSettings.of(GenerationConfig.from_model_config(config))
        self.generation = generation
        self.config, self.layout, self.rank = config, options.layout, rank
        norm_weight_H = read_weight(read, "model.norm.weight")
        self.device = norm_weight_H.device
        options.check(self.device.type)
        check_ladder(self.schedule.plans, self.layout, options.communicator)
        check_rank(self.layout, rank)
        self._check_rope(options.mode)
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
        source: str | Path | Checkpoint,
        plan: LayerPlan | Schedule | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "auto",
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
        edits: Sequence[WeightEdit] = (),
    ) -> Engine:
        """From a directory or hub id; each rank reads only the tensors that it computes with.

        `plan`: None takes that which the directory was saved with, dense where there is none;
        `edits`: changes of the weights, which are made before the plan runs; `device`: `auto` takes
        CUDA where this process has it.
        Raises ValueError as `open_checkpoint`, `edited_reader` and `Engine` do.
        """
        checkpoint = source if isinstance(source, Checkpoint) else open_checkpoint(source)
        if plan is None:
            plan = checkpoint.plan or dense_plan(checkpoint.config.num_hidden_layers)
        return cls(
            checkpoint.config,
            plan,
            edited_reader(checkpoint.reader(dtype, rank_device(device)), edits),
            rank=rank,
            options=options,
            generation=checkpoint.generation,
        )

    @classmethod
    def from_dense(
        cls,
        dense: LlamaForCausalLM,
        plan: LayerPlan | Schedule,
        *,
        rank: int = 0,
        options: EngineOptions = EngineOptions(),  # noqa: B008, frozen
    ) -> Engine:
        """From a model in memory, whose weights are copied.

        Raises ValueError for a model that carries an adapter or a plan, and as `Engine` does.
        """
        check_dense_model(dense)
        weights = dense.state_dict()

        def read(name: str, *index: slice) -> torch.Tensor | None:
            return weights[name][index] if name in weights else None

        generation = GenerationSettings.of(dense.generation_config)
        return cls(dense.config, plan, read, rank=rank, options=options, generation=generation)

    def set_mode(self, mode: ExecutionMode) -> None:
        """Runs all later decode steps in another mode.

        Raises ValueError where the device, rotary positions or early exit rule the mode out.
        """
        check_execution_mode(mode, self.device.type)
        self._check_rope(mode)
        rule = None if self.early_exit is None else self.early_exit.rule
        check_early_exit(rule, self.layout, mode)
        self.mode = mode

    def _check_rope(self, mode: ExecutionMode) -> None:
        check_rope_type(str((self.config.rope_parameters or {}).get("rope_type")), mode)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights that this rank holds."""
        return self.program.weight_bytes + self.head.weight_bytes

    @property
    def step_bytes(self) -> int:
        """Bytes that the latest decode step read, of the first plan before any step: this rank's
        weights, and the cache that attention covers. Early exit reads at most these."""
        latest = 0 if self.state is None else max(0, self.state.decoded_tokens - 1)
        plan = self.schedule.index_at(latest)
        weight_bytes = self.program.step_bytes(plan) + self.head.step_bytes
        if self.state is None:
            return weight_bytes
        cache = self.state.cache
        covered_tokens = cache.length if self.mode == "eager" else cache.max_tokens
        # Layers that only the prompt runs have keys too, which no decode step reads.
        heads, read_layers = self.program.cached_heads, self.schedule.plans[plan].attending_layers
        read_heads = sum(heads[layer] for layer in heads if layer in read_layers)
        share = read_heads / max(1, sum(heads.values())) * covered_tokens / cache.max_tokens
        return weight_bytes + round(cache.nbytes * share)

    @property
    def cache(self) -> StaticCache:
        """The key-value cache. Raises ValueError before the first prefill."""
        return self._state().cache

    @property
    def exit_depths(self) -> list[torch.Tensor]:
        """Number of stages that each sequence ran [B], by decode step; empty without early exit."""
        return [] if self.early_exit is None else self.early_exit.depths

    @torch.inference_mode()
    def prefill(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor | None = None, *, max_tokens: int
    ) -> torch.Tensor | None:
        """Starts a new prompt, padded on the left where `mask_BT` is 0.

        Returns the logits [B, V] of the first new token; None on a rank without the LM head.
        `max_tokens`: how many tokens prompt and answer have at most. Raises ValueError as
        `check_prompt` does.
        """
        check_prompt(ids_BT, mask_BT, max_tokens)
        batch, tokens = ids_BT.shape
        if self.state is None or self.state.cache.shape != (batch, max_tokens):
            self.state = self._captured = None  # frees their memory before more is allocated
            self.state = DecodeState.allocate(self._new_cache(batch, max_tokens))
        if self.early_exit is not None:
            self.early_exit.depths = []
        context = self.state.begin(ids_BT, mask_BT)
        logits_BV = self.forward(self.program.prefill, ids_BT, context)
        self.state.cache.length = tokens
        return logits_BV

    @torch.inference_mode()
    def decode_step(self, token_B: torch.Tensor) -> torch.Tensor | None:
        """Feeds one token a sequence; returns the logits [B, V] of the next token.

        A rank without the LM head returns None and may be fed any tokens. On CUDA, modes other than
        eager overwrite the logits in the next step. Raises ValueError before the first prefill, and
        where the cache is full.
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

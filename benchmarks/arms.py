"""Arms: ways to run the same model that are timed side by side.

An arm starts with a prompt and decodes a fixed number of tokens; it gives one time a step, the
first of them the prefill. Where several ranks take part, a step lasts as long as its slowest rank.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Protocol

import torch
import torch.distributed as dist
from transformers import LlamaForCausalLM, StoppingCriteria, StoppingCriteriaList

from benchmarks.paths import BACKENDS
from benchmarks.sharing import Held, share
from cqil.engine import Engine
from cqil.engine.checkpoint import DTYPES
from cqil.engine.gang import Gang
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.engine.ledger import Ledger
from cqil.engine.replay import Mode
from cqil.engine.speed import PeakMemory, clock
from cqil.exits import Exit
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan
from cqil.schedule import Schedule


class Arm(Protocol):
    """Something that can be timed."""

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        ...


class Generate(StoppingCriteria):
    """`generate` of Transformers, as it comes: dynamic cache, eager."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        self.model = model

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Called after every token; marks the time and never stops."""
        self.marks.append(clock(input_ids.device))
        return input_ids.new_zeros(len(input_ids), dtype=torch.bool)

    @torch.inference_mode()
    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        device = self.model.device
        self.marks = [clock(device)]
        self.model.generate(
            prompt_BT.to(device),
            attention_mask=torch.ones_like(prompt_BT, device=device),
            do_sample=False,
            min_new_tokens=new_tokens + 1,
            max_new_tokens=new_tokens + 1,
            stopping_criteria=StoppingCriteriaList([self]),
        )
        return _gaps(self.marks)


class OneDevice:
    """The engine on one device."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self.engine, self.threads = engine, threads

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return step_times(self.engine, prompt_BT, new_tokens)
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class Spread:
    """The engine that each rank of a gang holds under `key`."""

    gang: Gang
    key: str

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        of_ranks = self.gang.run(_time_rank, self.key, prompt_BT, new_tokens)
        return [max(step) for step in zip(*of_ranks, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an engine of an arm is made of; plain data, so that it travels to ranks."""

    path: str
    plan: LayerPlan | Schedule
    layout: Layout = ONE_DEVICE
    links: str = "library"
    mode: Mode = "eager"
    exits: Exit | None = None
    device: str = "cpu"
    dtype: str = "float32"

    def engine(self, rank: int = 0) -> Engine:
        device = f"cuda:{torch.cuda.current_device()}" if self.device == "cuda" else self.device
        return Engine.load(
            self.path,
            self.plan,
            dtype=DTYPES[self.dtype],
            device=device,
            layout=self.layout,
            rank=rank,
            links=self.links,
            mode=self.mode,
            exits=self.exits,
        )


@dataclass(frozen=True)
class RankFacts:
    """What one rank of an arm holds and sends."""

    weight_bytes: int
    cache_bytes: int
    step_bytes: int
    prefill: Ledger
    decode: Ledger


_ENGINES: dict[str, Engine] = {}
"""Engines of this rank; they stay for the rounds to come."""
_HELD: dict[tuple[str, str, str], Held] = {}
"""Their weights, by checkpoint, type and device."""


def spread(gang: Gang, key: str, spec: Spec) -> Spread:
    """Loads an engine on every rank and keeps it under `key`."""
    gang.run(_load_rank, key, spec)
    return Spread(gang, key)


def rank_facts(arm: Spread, prompt_BT: torch.Tensor) -> list[RankFacts]:
    """Counted over one prefill and one decode step."""
    return arm.gang.run(_count_rank, arm.key, prompt_BT)


def engine_of(key: str) -> Engine:
    """The engine of this rank that `spread` has loaded."""
    return _ENGINES[key]


def peak_facts(spec: Spec, prompt_BT: torch.Tensor, new_tokens: int) -> list[tuple[int, int]]:
    """Bytes that each rank held at most while it loaded and generated, and its weights and cache.

    In processes of their own, and beyond what they held before.
    """
    with Gang(spec.layout.world, backend=BACKENDS[spec.device]) as gang:
        return gang.run(_peak_rank, spec, prompt_BT, new_tokens)


def _peak_rank(rank: int, spec: Spec, prompt_BT: torch.Tensor, new_tokens: int) -> tuple[int, int]:
    _first_calls(spec)
    with PeakMemory(torch.device(spec.device)) as peak:
        engine = spec.engine(rank)
        step_times(engine, prompt_BT, new_tokens)
    assert engine.cache is not None
    return peak.bytes, engine.weight_bytes + engine.cache.nbytes


def _first_calls(spec: Spec) -> None:
    """Imports, workspaces and connections are made once, whatever the engine then holds."""
    read_config(spec.path)
    square = torch.ones(1, 512, 512, device=spec.device)
    square = torch.bmm(square, square) + square[0] @ square[0]
    torch.nn.functional.scaled_dot_product_attention(square, square, square)
    dist.all_reduce(square)


def _load_rank(rank: int, key: str, spec: Spec) -> None:
    held = _HELD.setdefault((spec.path, spec.dtype, spec.device), {})
    _ENGINES[key] = share(spec.engine(rank), held)


def _time_rank(rank: int, key: str, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
    return step_times(_ENGINES[key], prompt_BT, new_tokens)


def _count_rank(rank: int, key: str, prompt_BT: torch.Tensor) -> RankFacts:
    engine = _ENGINES[key]
    prompt_BT = prompt_BT.to(engine.device)
    engine.links.ledger = prefill = Ledger()
    engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + 1)
    engine.links.ledger = decode = Ledger()
    engine.decode_step(prompt_BT[:, -1])
    assert engine.cache is not None
    held = (engine.weight_bytes, engine.cache.nbytes, engine.step_bytes)
    return RankFacts(*held, prefill, decode)


def step_times(engine: Engine, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
    """Seconds of the prefill and of each greedy step; without the head any token is fed."""
    device = engine.device
    prompt_BT = prompt_BT.to(device)
    token_B = prompt_BT[:, -1]
    marks = [clock(device)]
    for step in range(new_tokens + 1):
        if step == 0:
            logits_BV = engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + new_tokens)
        else:
            logits_BV = engine.decode_step(token_B)
        token_B = token_B if logits_BV is None else logits_BV.argmax(-1)
        marks.append(clock(device))
    return _gaps(marks)


def layers_run(arm: Arm, spec: Spec, new_tokens: int) -> float | None:
    """Mean over the steps of the arm's last run; None where every step ran the plan.

    With several sequences a step runs as deep as the deepest of them.
    """
    if isinstance(spec.plan, Schedule):
        steps = map(spec.plan.index_at, range(new_tokens))
        return fmean(spec.plan.plans[step].depth for step in steps)
    if isinstance(arm, OneDevice) and arm.engine.depths:
        return fmean(int(depth_B.max()) for depth_B in arm.engine.depths)
    return None


def _gaps(marks: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(marks)]

"""Runners: loaded models that are timed side by side, and can run many times.

A run starts with a prompt and decodes a fixed number of tokens. It returns the seconds of each
step; the first step is the prefill. With several ranks a step takes as long as its slowest rank.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

import torch
from transformers import LlamaForCausalLM, StoppingCriteria, StoppingCriteriaList

from benchmarks.latency.engine_spec import EngineSpec
from benchmarks.latency.rank_engines import (
    RankUsage,
    count_rank,
    load_rank,
    rank_weight_bytes,
    slowest_rank,
    time_rank,
)
from cqil.engine import Engine
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.step_clock import StepClock, step_times


class TimedRunner(Protocol):
    """A loaded model that can be timed."""

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        ...

    def layers_run(self, new_tokens: int) -> float | None:
        """Mean layers of the decode steps of the last run; None if each step ran the whole plan."""
        ...

    def weight_bytes(self) -> list[int]:
        """Bytes of weights that each rank holds."""
        ...


class TransformersRunner(StoppingCriteria):
    """`generate` of Transformers with its defaults: dynamic cache, eager."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        self.model = model

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """`generate` calls it after each token: it marks the time, and never stops the answer."""
        self._clock.mark()
        return input_ids.new_zeros(len(input_ids), dtype=torch.bool)

    @torch.inference_mode()
    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        device = self.model.device
        self._clock = StepClock(device)
        self._clock.mark()
        self.model.generate(  # type: ignore[misc]  # mypy misreads the mixin's `self`
            prompt_BT.to(device),
            attention_mask=torch.ones_like(prompt_BT, device=device),
            do_sample=False,
            min_new_tokens=new_tokens + 1,
            max_new_tokens=new_tokens + 1,
            stopping_criteria=StoppingCriteriaList([self]),
        )
        return self._clock.intervals()

    def layers_run(self, new_tokens: int) -> None:
        """Every step runs all layers."""

    def weight_bytes(self) -> list[int]:
        """Bytes of all parameters; tied ones count once."""
        return [sum(parameter.nbytes for parameter in self.model.parameters())]


@dataclass
class SingleDeviceRunner:
    """The engine on one device."""

    engine: Engine
    spec: EngineSpec
    threads: int

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        previous_threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return step_times(self.engine, prompt_BT, new_tokens)
        finally:
            torch.set_num_threads(previous_threads)

    def layers_run(self, new_tokens: int) -> float | None:
        """Mean layers of the decode steps; a step is as deep as its deepest sequence."""
        if self.engine.exit_depths:
            return fmean(int(depth_B.max()) for depth_B in self.engine.exit_depths)
        return self.spec.scheduled_layers(new_tokens)

    def weight_bytes(self) -> list[int]:
        """Bytes of packed weights; other plans of the session may share some of them."""
        return [self.engine.weight_bytes]


@dataclass(frozen=True)
class MultiRankRunner:
    """The engines under `key` on the ranks of a worker group."""

    workers: WorkerGroup
    key: str
    spec: EngineSpec

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each decode step, on the slowest rank."""
        return slowest_rank(self.workers.run(time_rank, self.key, prompt_BT, new_tokens))

    def layers_run(self, new_tokens: int) -> float | None:
        """Mean layers of the decode steps; None for a single plan."""
        return self.spec.scheduled_layers(new_tokens)

    def weight_bytes(self) -> list[int]:
        """Bytes of packed weights of each rank."""
        return self.workers.run(rank_weight_bytes, self.key)

    def count_usage(self, prompt_BT: torch.Tensor) -> list[RankUsage]:
        """Memory and messages of each rank, for one prefill and one decode step."""
        return self.workers.run(count_rank, self.key, prompt_BT)


def load_on_ranks(workers: WorkerGroup, key: str, spec: EngineSpec) -> MultiRankRunner:
    """Loads an engine on every rank, where it stays under `key`."""
    workers.run(load_rank, key, spec)
    return MultiRankRunner(workers, key, spec)

"""Runners: what is timed side by side, each a loaded model that can be run again and again.

A run starts with a prompt and decodes a fixed number of tokens. It gives one time a step; the first
is the prefill. Where several ranks take part, a step lasts as long as its slowest rank.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

import torch
from transformers import LlamaForCausalLM, StoppingCriteria, StoppingCriteriaList

from benchmarks.latency.engine_spec import EngineSpec
from benchmarks.latency.rank_engines import RankUsage, count_rank, load_rank, time_rank
from cqil.engine import Engine
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.step_clock import StepClock, step_times


class TimedRunner(Protocol):
    """Something that can be timed."""

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        ...

    def layers_run(self, new_tokens: int) -> float | None:
        """Mean layers of the decode steps of the last run; None where every step ran the plan."""
        ...


class TransformersRunner(StoppingCriteria):
    """`generate` of Transformers with its defaults: dynamic cache, eager."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        self.model = model

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Called after every token; marks the time and never stops."""
        self._clock.mark()
        return input_ids.new_zeros(len(input_ids), dtype=torch.bool)

    @torch.inference_mode()
    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        device = self.model.device
        self._clock = StepClock(device)
        self._clock.mark()
        self.model.generate(
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


@dataclass
class SingleDeviceRunner:
    """The engine on one device."""

    engine: Engine
    spec: EngineSpec
    threads: int

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each of `new_tokens` decode steps."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return step_times(self.engine, prompt_BT, new_tokens)
        finally:
            torch.set_num_threads(before)

    def layers_run(self, new_tokens: int) -> float | None:
        """With several sequences a step runs as deep as the deepest of them."""
        if self.engine.exit_depths:
            return fmean(int(depth_B.max()) for depth_B in self.engine.exit_depths)
        return self.spec.scheduled_layers(new_tokens)


@dataclass(frozen=True)
class MultiRankRunner:
    """The engines that the ranks of a worker group hold under `key`."""

    workers: WorkerGroup
    key: str
    spec: EngineSpec

    def run(self, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
        """Seconds of the prefill and of each decode step, on the slowest rank."""
        times_by_rank = self.workers.run(time_rank, self.key, prompt_BT, new_tokens)
        return [max(step) for step in zip(*times_by_rank, strict=True)]

    def layers_run(self, new_tokens: int) -> float | None:
        """Mean layers of the decode steps; None for a single plan."""
        return self.spec.scheduled_layers(new_tokens)

    def count_usage(self, prompt_BT: torch.Tensor) -> list[RankUsage]:
        """What each rank holds and sends, over one prefill and one decode step."""
        return self.workers.run(count_rank, self.key, prompt_BT)


def load_on_ranks(workers: WorkerGroup, key: str, spec: EngineSpec) -> MultiRankRunner:
    """Loads an engine on every rank and keeps it there under `key`."""
    workers.run(load_rank, key, spec)
    return MultiRankRunner(workers, key, spec)

"""Interleaved rounds: each round runs every runner once, in a new random order.

A disturbance of the machine then affects all runners equally, so that ratios stay right. Rounds end
early when every ratio is precise enough, or the time budget is spent.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from benchmarks.config.sections import MIN_ROUNDS, Workload
from benchmarks.latency.runners import TimedRunner
from benchmarks.results.schema_parts import StopReason
from benchmarks.results.statistics import PHASES, Bootstrap, phase_times
from benchmarks.runtime.progress import Progress

CHECK_EVERY = 3
"""Rounds between two checks of the intervals."""


@dataclass(frozen=True)
class InterleavedTimes:
    """The samples of all rounds, and why the rounds ended."""

    samples: dict[str, list[list[float]]]
    """Runner -> seconds of each step, by round; the first step of a round is the prefill."""
    stop_reason: StopReason


@dataclass
class PrecisionRule:
    """Checks how precise the ratios of runners to their reference runners are."""

    references: Mapping[str, str]
    """Runner -> runner that its times are divided by."""
    width: float
    """Largest width of an interval, as a share of its ratio."""
    seed: int
    times: dict[str, list[list[float]]] = field(default_factory=dict)
    """Runner -> its runs so far, each a list of seconds by step."""

    def reached(self) -> bool:
        """True if the intervals of all phases are narrower than `width` times their ratios."""
        bootstrap = Bootstrap(confidence=0.95, resamples=999, seed=self.seed)
        seconds = {name: phase_times(runs) for name, runs in self.times.items()}
        ratios = (
            bootstrap.ratio_of_medians(seconds[name][phase], seconds[reference][phase])
            for name, reference in self.references.items()
            for phase in PHASES
        )
        return bool(self.references) and all(
            ratio.high - ratio.low < self.width * ratio.value for ratio in ratios
        )


def run_interleaved(
    runners: Mapping[str, TimedRunner],
    prompt_BT: torch.Tensor,
    workload: Workload,
    seed: int,
    references: Mapping[str, str] | None = None,
) -> InterleavedTimes:
    """Runs the rounds of one workload; the times of warm-up rounds are not kept.

    `references`: runner -> runner that it is divided by, for `workload.precision`.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in runners}
    rule = PrecisionRule(references or {}, workload.precision or 0, seed, times)
    stop = _StopRule(workload, rule)
    rng, numbers = random.Random(seed), range(-workload.warmup, workload.rounds)
    stop_reason: StopReason | None = None
    with Progress(f"latency {workload.name}", len(numbers) * len(runners), "runs") as progress:
        for number in numbers:
            if number == 0:
                stop.start = time.monotonic()
            for name in rng.sample(sorted(runners), len(runners)):
                seconds = runners[name].run(prompt_BT, workload.new_tokens)
                if number >= 0:
                    times[name].append(seconds)
                progress.update()
            if stop_reason := stop.after(number + 1):
                break
    return InterleavedTimes(times, stop_reason or "rounds")


@dataclass
class _StopRule:
    workload: Workload
    precision: PrecisionRule
    start: float = 0.0
    """When the first recorded round started, on the monotonic clock."""

    def after(self, rounds: int) -> StopReason | None:
        """Why the rounds end early after so many recorded ones; None if they go on."""
        workload, extra_rounds = self.workload, rounds - MIN_ROUNDS
        if extra_rounds < 0 or rounds == workload.rounds:
            return None
        if workload.precision and extra_rounds % CHECK_EVERY == 0 and self.precision.reached():
            return "precision"
        if workload.budget_s is not None and time.monotonic() - self.start >= workload.budget_s:
            return "budget"
        return None


def random_prompt(vocabulary: int, batch: int, tokens: int, seed: int) -> torch.Tensor:
    """Random token ids [B, T]. Their values change the time only of early exit."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (batch, tokens), generator=generator)

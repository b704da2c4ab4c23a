"""Arms in rounds: each round runs every arm once, in an order drawn anew.

What disturbs the machine for a while then disturbs all arms alike, and ratios stay. Rounds end
early where every ratio is known well enough, or time is up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from benchmarks.config.sections import MIN_ROUNDS, Workload
from benchmarks.latency.runners import TimedRunner
from benchmarks.results.schema import StopReason
from benchmarks.results.statistics import PHASES, Bootstrap, phase_times
from benchmarks.runtime.progress import Progress

CHECK_EVERY = 3
"""Rounds between two looks at the intervals."""


@dataclass(frozen=True)
class InterleavedTimes:
    """What rounds have given: samples by arm, and why there were no more."""

    samples: dict[str, list[list[float]]]
    """Name -> seconds of each step, by round; the first of a round is the prefill."""
    stopped: StopReason


@dataclass
class PrecisionRule:
    """Watches the ratios of arms to the arms that `references` names for them."""

    references: Mapping[str, str]
    width: float
    seed: int
    times: dict[str, list[list[float]]] = field(default_factory=dict)
    """Arm -> its runs, each a list of seconds a step."""

    def reached(self) -> bool:
        """True where each interval, of every phase, is narrower than `width` times its ratio."""
        bootstrap = Bootstrap(confidence=0.95, resamples=999, seed=self.seed)
        seconds = {arm: phase_times(runs) for arm, runs in self.times.items()}
        ratios = (
            bootstrap.ratio_of_medians(seconds[arm][phase], seconds[reference][phase])
            for arm, reference in self.references.items()
            for phase in PHASES
        )
        return bool(self.references) and all(
            ratio.high - ratio.low < self.width * ratio.value for ratio in ratios
        )


def run_interleaved(
    arms: Mapping[str, TimedRunner],
    prompt_BT: torch.Tensor,
    workload: Workload,
    seed: int,
    references: Mapping[str, str] | None = None,
) -> InterleavedTimes:
    """Runs the rounds of one workload; warm-up rounds have negative numbers and are not kept.

    With `workload.precision`, `references` names the arm that each arm is divided by.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in arms}
    stop = _Stop(workload, PrecisionRule(references or {}, workload.precision or 0, seed, times))
    order, numbers = random.Random(seed), range(-workload.warmup, workload.rounds)
    stopped: StopReason | None = None
    with Progress(f"latency {workload.name}", len(numbers) * len(arms), "runs") as progress:
        for number in numbers:
            if number == 0:
                stop.began = time.monotonic()
            for name in order.sample(sorted(arms), len(arms)):
                seconds = arms[name].run(prompt_BT, workload.new_tokens)
                if number >= 0:
                    times[name].append(seconds)
                progress.update()
            if stopped := stop.after(number + 1):
                break
    return InterleavedTimes(times, stopped or "rounds")


@dataclass
class _Stop:
    workload: Workload
    precision: PrecisionRule
    began: float = 0.0

    def after(self, rounds: int) -> StopReason | None:
        """Why not to go on after so many recorded rounds, if there is a reason."""
        work, beyond = self.workload, rounds - MIN_ROUNDS
        if beyond < 0 or rounds == work.rounds:
            return None
        if work.precision and beyond % CHECK_EVERY == 0 and self.precision.reached():
            return "precision"
        if work.budget_s is not None and time.monotonic() - self.began >= work.budget_s:
            return "budget"
        return None


def random_prompt(vocabulary: int, batch: int, tokens: int, seed: int) -> torch.Tensor:
    """Token ids [B, T]; what they say matters for time only where tokens leave by confidence."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (batch, tokens), generator=generator)

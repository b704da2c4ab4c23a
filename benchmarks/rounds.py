"""Arms in rounds: each round runs every arm once, in an order drawn anew.

What disturbs the machine for a while then disturbs all arms alike, and ratios stay.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch

from benchmarks.arms import Arm
from benchmarks.progress import Progress
from benchmarks.record import StepSample


def interleave(
    arms: Mapping[str, Arm],
    prompt_BT: torch.Tensor,
    new_tokens: int,
    *,
    rounds: int,
    warmup: int,
    seed: int,
) -> dict[str, list[StepSample]]:
    """Arm -> its samples. Warm-up rounds have negative numbers and are not kept."""
    samples: dict[str, list[StepSample]] = {name: [] for name in arms}
    order, numbers = random.Random(seed), range(-warmup, rounds)
    with Progress("latency", len(numbers) * len(arms), "runs") as progress:
        for number in numbers:
            for name in order.sample(sorted(arms), len(arms)):
                times = arms[name].run(prompt_BT, new_tokens)
                if number >= 0:
                    samples[name] += as_samples(times, number)
                progress.update()
    return samples


def as_samples(times: list[float], number: int) -> list[StepSample]:
    """The first time is the prefill's."""
    return [
        StepSample(round=number, phase="decode" if step else "prefill", step=step, seconds=seconds)
        for step, seconds in enumerate(times)
    ]


def random_prompt(vocabulary: int, batch: int, tokens: int, seed: int) -> torch.Tensor:
    """Token ids [B, T]; what they say matters for time only where tokens leave by confidence."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (batch, tokens), generator=generator)

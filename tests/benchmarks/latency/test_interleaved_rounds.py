"""Rounds with made-up runners: when they stop, and whether their intervals are then honest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.config.sections import MIN_ROUNDS, Workload
from benchmarks.latency import interleaved_rounds
from benchmarks.latency.interleaved_rounds import CHECK_EVERY, run_interleaved
from benchmarks.results.statistics import PHASES, Bootstrap, phase_times

PROMPT = torch.zeros(1, 1, dtype=torch.long)
REFERENCES = {"again": "dense", "fast": "dense"}


class MadeUpRunner:
    """A runner whose every run takes `base` seconds a step, more or less."""

    def __init__(self, base, spread, seed=0):
        self.base, self.spread, self.rng = base, spread, np.random.default_rng(seed)
        self.runs = 0

    def run(self, prompt_BT, new_tokens):
        self.runs += 1
        factor = np.exp(self.rng.normal(0, self.spread))
        return [factor * self.base * (10 if step == 0 else 1) for step in range(new_tokens + 1)]


def made_up_runners(spread, seed=0):
    bases = {"dense": 1.0, "again": 1.0, "fast": 0.7}
    return {
        name: MadeUpRunner(base, spread, seed * 10 + n)
        for n, (name, base) in enumerate(bases.items())
    }


def rounds_of(timed):
    return len(timed.samples["dense"])


def test_steady_runners_stop_at_once_and_noisy_ones_go_on():
    work = Workload(new_tokens=2, rounds=30, precision=0.05)
    steady = run_interleaved(made_up_runners(1e-4), PROMPT, work, 0, REFERENCES)
    assert (steady.stop_reason, rounds_of(steady)) == ("precision", MIN_ROUNDS)
    noisy = run_interleaved(made_up_runners(0.5), PROMPT, work, 0, REFERENCES)
    assert (noisy.stop_reason, rounds_of(noisy)) == ("rounds", 30)


def test_rounds_end_with_the_first_look_at_which_every_interval_is_narrow():
    work = Workload(new_tokens=2, rounds=200, precision=0.05)
    timed = run_interleaved(made_up_runners(0.03), PROMPT, work, 0, REFERENCES)
    count = rounds_of(timed)
    assert timed.stop_reason == "precision"
    assert MIN_ROUNDS < count < 200
    assert (count - MIN_ROUNDS) % CHECK_EVERY == 0
    assert widest(timed, count) < 0.05 <= widest(timed, count - CHECK_EVERY)


def widest(timed, count):
    """The widest interval, relative to its ratio, over the first rounds."""
    seconds = {name: phase_times(rounds[:count]) for name, rounds in timed.samples.items()}
    bootstrap = Bootstrap(confidence=0.95, resamples=999, seed=0)
    ratios = [
        bootstrap.ratio_of_medians(seconds[name][phase], seconds[reference][phase])
        for name, reference in REFERENCES.items()
        for phase in PHASES
    ]
    return max((ratio.high - ratio.low) / ratio.value for ratio in ratios)


def test_one_noisy_runner_keeps_all_going():
    mixed = made_up_runners(1e-4) | {"fast": MadeUpRunner(0.7, 0.5)}
    work = Workload(new_tokens=2, rounds=12, precision=0.05)
    assert run_interleaved(mixed, PROMPT, work, 0, REFERENCES).stop_reason == "rounds"


@pytest.mark.parametrize("references", [None, REFERENCES])
def test_without_precision_or_references_rounds_are_fixed(references):
    work = Workload(new_tokens=2, rounds=9, precision=None if references else 0.05)
    timed = run_interleaved(made_up_runners(1e-4), PROMPT, work, 0, references)
    assert (timed.stop_reason, rounds_of(timed)) == ("rounds", 9)


@pytest.mark.parametrize(("budget", "count"), [(2, MIN_ROUNDS), (8, 8), (100, 20)])
def test_the_budget_ends_rounds_but_never_before_the_minimum(monkeypatch, budget, count):
    running = made_up_runners(0.5)
    # Each round takes a second; warm-up rounds do not count.
    monkeypatch.setattr(interleaved_rounds.time, "monotonic", lambda: float(running["dense"].runs))
    work = Workload(new_tokens=2, rounds=20, warmup=3, precision=0.01, budget_s=budget)
    timed = run_interleaved(running, PROMPT, work, 0, REFERENCES)
    assert (timed.stop_reason, rounds_of(timed)) == ("budget" if count < 20 else "rounds", count)


def test_the_last_round_is_not_checked():
    work = Workload(new_tokens=2, rounds=MIN_ROUNDS, precision=0.05)
    timed = run_interleaved(made_up_runners(1e-4), PROMPT, work, 0, REFERENCES)
    assert timed.stop_reason == "rounds"


@pytest.mark.parametrize("precision", [None, 0.1])
def test_dense_twice_is_no_difference_in_nine_sessions_of_ten(precision):
    """A stop at a narrow interval depends on the data; the interval must still be honest."""
    work = Workload(new_tokens=2, rounds=15, precision=precision)
    sessions, covered = 150, 0
    for seed in range(sessions):
        two = {
            name: runner for name, runner in made_up_runners(0.05, seed).items() if name != "fast"
        }
        timed = run_interleaved(two, PROMPT, work, seed, {"again": "dense"})
        prefills = {
            name: np.array([round_times[0] for round_times in rounds])
            for name, rounds in timed.samples.items()
        }
        ratio = Bootstrap(0.95, 999, seed).ratio_of_medians(prefills["again"], prefills["dense"])
        covered += ratio.low <= 1 <= ratio.high
    assert covered / sessions >= 0.9


def test_phases_of_a_round():
    times = phase_times([[4.0, 1.0, 2.0, 9.0], [5.0, 3.0, 3.0, 3.0]])
    assert {name: list(values) for name, values in times.items()} == {
        "prefill": [4, 5],
        "decode": [2, 3],
        "end to end": [16, 14],
    }

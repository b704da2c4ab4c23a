"""Order of blocks, the injected slowdown and the end of measuring, all on made-up clocks."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch

from benchmarks.regress import compare_times, timing_worker
from benchmarks.regress.gate_record import GateEffort
from benchmarks.regress.interval_rule import Limits


class FakeWorker:
    """A worker that answers at once, and notes which case it ran."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def ask(self, case):
        self.log.append((case, self.name))
        return {"prefill": [4.0], "decode": [1.0, 2.0, 100.0]}


def test_sides_alternate_and_steps_become_medians():
    log = []
    workers = {name: FakeWorker(name, log) for name in ("base", "head")}
    times = compare_times.alternate(workers, ["a", "b"], 6, random.Random(0))
    assert times["a/decode"] == ([2.0] * 6, [2.0] * 6)
    assert times["b/prefill"] == ([4.0] * 6, [4.0] * 6)
    couples = [(log[i], log[i + 1]) for i in range(0, len(log), 2)]
    assert all(one[0] == other[0] and one[1] != other[1] for one, other in couples)
    for case in "ab":
        first = [one[1] for one, _ in couples if one[0] == case]
        assert len(first) == 7
        assert all(one != other for one, other in pairwise(first))


def test_samples_are_rounded_to_100_ns():
    class SlowWorker:
        def ask(self, case):
            return {"decode": [0.12345678912]}

    workers = {"base": SlowWorker(), "head": SlowWorker()}
    times = compare_times.alternate(workers, ["a"], 5, random.Random(0))
    assert times["a/decode"] == ([0.1234568] * 5, [0.1234568] * 5)


class FakeClock:
    """A clock that advances a little whenever it is read, and an engine that takes its time."""

    def __init__(self):
        self.time = 0.0

    def now(self, device):
        self.time += 0.001
        return self.time

    def prefill(self, prompt_BT, *, max_tokens):
        self.time += 5

    def decode_step(self, token_B):
        self.time += 1


@pytest.mark.parametrize(("slowdown", "expected"), [(0, 1.0), (0.15, 1.15), (1, 2.0)])
def test_only_decode_steps_are_slowed_by_their_share(monkeypatch, slowdown, expected):
    clock = FakeClock()
    monkeypatch.setattr(timing_worker, "now", clock.now)
    times = timing_worker.time_block(clock, torch.ones(1, 3), "cpu", slowdown)
    assert times["prefill"] == [pytest.approx(5, abs=0.01)]
    assert times["decode"] == [pytest.approx(expected, abs=0.01)] * timing_worker.STEPS


@pytest.mark.parametrize(
    ("noise", "budget_s", "pairs"), [(0.0, 60, 3), (0.4, 60, 5), (0.4, 1e-9, 3)]
)
def test_process_pairs_are_added_until_narrow_or_spent(monkeypatch, noise, budget_s, pairs):
    rng = random.Random(0)

    def time_process_pair(base, head, effort, slowdown, seed):
        base, head = ([rng.lognormvariate(0, noise) for _ in range(10)] for _ in range(2))
        return {"dense/decode": (base, head)}

    monkeypatch.setattr(compare_times, "_time_process_pair", time_process_pair)
    effort = GateEffort(pairs=3, max_pairs=5, budget_s=budget_s)
    (time,) = compare_times.compare_times(None, None, effort, Limits(0.05))
    assert len(time.base) == len(time.head) == pairs


def test_a_limit_of_no_benchmark_is_refused(monkeypatch):
    times = {"dense/decode": ([1.0] * 5, [1.0] * 5)}
    monkeypatch.setattr(compare_times, "_time_process_pair", lambda *_: times)
    with pytest.raises(ValueError, match=r"'dense'.*dense/decode"):
        compare_times.compare_times(None, None, GateEffort(), Limits(0.05, ["dense=0.1"]))

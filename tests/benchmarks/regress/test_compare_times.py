"""Order of blocks, the injected slowdown and the end of measuring, all on made-up clocks."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch

from benchmarks.regress import compare_times, timing_worker
from benchmarks.regress.gate_record import GateEffort
from benchmarks.regress.interval_rule import Limits


class Side:
    """Answers as a worker would, and notes when it was asked."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def ask(self, arm):
        self.log.append((arm, self.name))
        return {"prefill": [4.0], "decode": [1.0, 2.0, 100.0]}


def test_sides_alternate_and_steps_become_medians():
    log = []
    sides = {name: Side(name, log) for name in ("base", "head")}
    found = compare_times.alternate(sides, ["a", "b"], 6, random.Random(0))
    assert found["a/decode"] == ([2.0] * 6, [2.0] * 6)
    assert found["b/prefill"] == ([4.0] * 6, [4.0] * 6)
    couples = [(log[i], log[i + 1]) for i in range(0, len(log), 2)]
    assert all(one[0] == other[0] and one[1] != other[1] for one, other in couples)
    for arm in "ab":
        first = [one[1] for one, _ in couples if one[0] == arm]
        assert len(first) == 7
        assert all(one != other for one, other in pairwise(first))


class Clocked:
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
    clocked = Clocked()
    monkeypatch.setattr(timing_worker, "now", clocked.now)
    found = timing_worker.block(clocked, torch.ones(1, 3), "cpu", slowdown)
    assert found["prefill"] == [pytest.approx(5, abs=0.01)]
    assert found["decode"] == [pytest.approx(expected, abs=0.01)] * timing_worker.STEPS


@pytest.mark.parametrize(
    ("noise", "budget_s", "pairs"), [(0.0, 60, 3), (0.4, 60, 5), (0.4, 1e-9, 3)]
)
def test_pairs_are_added_until_narrow_or_spent(monkeypatch, noise, budget_s, pairs):
    rng = random.Random(0)

    def pair(base, head, effort, slowdown, seed):
        base, head = ([rng.lognormvariate(0, noise) for _ in range(10)] for _ in range(2))
        return {"dense/decode": (base, head)}

    monkeypatch.setattr(compare_times, "_pair", pair)
    effort = GateEffort(pairs=3, most_pairs=5, budget_s=budget_s)
    (found,) = compare_times.compare_times(None, None, effort, Limits(0.05))
    assert len(found.base) == len(found.head) == pairs


def test_a_limit_of_no_benchmark_is_refused(monkeypatch):
    monkeypatch.setattr(compare_times, "_pair", lambda *_: {"dense/decode": ([1.0] * 5, [1.0] * 5)})
    with pytest.raises(ValueError, match=r"'dense'.*dense/decode"):
        compare_times.compare_times(None, None, GateEffort(), Limits(0.05, ["dense=0.1"]))

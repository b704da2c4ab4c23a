"""The timed half of the gate: pairs of worker processes whose blocks alternate. No torch.

Only one worker computes at a time. Each pair starts its processes anew: what makes one process
faster than the next for as long as it lives is then part of the interval.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.regress.gate_record import GateEffort, TimeComparison
from benchmarks.regress.interval_rule import Limits, ProcessPair, Ratio, ratio
from benchmarks.regress.worker_process import WorkerProcess

SCRIPT = "timing_worker.py"
PairTimes = dict[str, ProcessPair]
"""Benchmark -> seconds of base and head by round."""


def compare_times(
    base: Path, head: Path, effort: GateEffort, limits: Limits, slowdown: float = 0
) -> list[TimeComparison]:
    """Adds pairs until every interval is narrow against its limit, or the effort is spent.

    The width decides when to stop, never the verdict: looking at that would raise false alarms.
    `slowdown` slows the head's decode steps by that share (for experiments). Raises ValueError
    where a tree cannot be measured, and for a limit of no benchmark.
    """
    began, pairs = time.monotonic(), list[PairTimes]()
    while True:
        pairs.append(_time_process_pair(base, head, effort, slowdown, effort.seed + len(pairs)))
        limits.check(pairs[0])
        if len(pairs) < effort.pairs:
            continue
        times = [_time(name, pairs, limits.of(name), effort.seed) for name in pairs[0]]
        spent = time.monotonic() - began >= effort.budget_s
        narrow = all(Ratio(t.ratio, t.low, t.high).is_narrow(t.limit) for t in times)
        if narrow or spent or len(pairs) >= effort.most_pairs:
            return times


def _time_process_pair(
    base: Path, head: Path, effort: GateEffort, slowdown: float, seed: int
) -> PairTimes:
    options = {"threads": effort.threads, "device": effort.device}
    with (
        WorkerProcess(SCRIPT, base, options | {"slowdown": 0}, effort.threads) as one,
        WorkerProcess(SCRIPT, head, options | {"slowdown": slowdown}, effort.threads) as other,
    ):
        sides = {"base": one, "head": other}
        hellos = [worker.hello() for worker in sides.values()]
        return alternate(sides, hellos[0]["arms"], effort.rounds, random.Random(seed))


def alternate(
    sides: dict[str, WorkerProcess], arms: list[str], rounds: int, order: random.Random
) -> PairTimes:
    """Every round runs each arm on both sides, back to back; who is first alternates (ABBA)."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"base": [], "head": []})
    first = {arm: order.sample(["base", "head"], 2) for arm in arms}
    for number in range(-1, rounds):
        for arm in order.sample(arms, len(arms)):
            for side in first[arm][:: -1 if number % 2 else 1]:
                times = sides[side].ask(arm)
                if number >= 0:  # the first round warms up
                    for phase, seconds in times.items():
                        found[f"{arm}/{phase}"][side].append(median(seconds))
    return {name: (found[name]["base"], found[name]["head"]) for name in sorted(found)}


def _time(name: str, pairs: list[PairTimes], limit: float, seed: int) -> TimeComparison:
    pairings = [pair[name] for pair in pairs]
    found = ratio(pairings, seed=seed)
    return TimeComparison(
        name=name,
        base=[list(base) for base, _ in pairings],
        head=[list(head) for _, head in pairings],
        ratio=found.value,
        low=found.low,
        high=found.high,
        limit=limit,
        verdict=found.verdict(limit),
    )

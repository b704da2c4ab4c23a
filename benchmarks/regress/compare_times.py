"""The timed half of the gate: pairs of worker processes whose blocks alternate. Imports no torch.

Only one worker computes at a time. Each pair starts two new processes: some processes are faster
than others for as long as they live, and new ones make that difference part of the interval.
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
SAMPLE_DIGITS = 7
"""Samples are rounded to 100 ns, far below the noise of the clock, so that files stay small."""
PairTimes = dict[str, ProcessPair]
"""Benchmark -> seconds of base and head, by round."""


def compare_times(
    base: Path, head: Path, effort: GateEffort, limits: Limits, slowdown: float = 0
) -> list[TimeComparison]:
    """Adds pairs of processes until every interval is narrow, or the effort is spent.

    The width of the intervals decides when to stop, never the verdict: a rule that looked at the
    verdict would raise more false alarms. `slowdown` slows the decode steps of the head by that
    share (for experiments). Raises ValueError for a tree that cannot be measured, and for a limit
    whose name no benchmark has.
    """
    start = time.monotonic()
    process_pairs: list[PairTimes] = []
    while True:
        seed = effort.seed + len(process_pairs)
        process_pairs.append(_time_process_pair(base, head, effort, slowdown, seed))
        names = list(process_pairs[0])
        limits.check(names)
        if len(process_pairs) < effort.pairs:
            continue
        times = [_compare(name, process_pairs, limits.of(name), effort.seed) for name in names]
        spent = time.monotonic() - start >= effort.budget_s
        narrow = all(Ratio(t.ratio, t.low, t.high).is_narrow(t.limit) for t in times)
        if narrow or spent or len(process_pairs) >= effort.max_pairs:
            return times


def _time_process_pair(
    base: Path, head: Path, effort: GateEffort, slowdown: float, seed: int
) -> PairTimes:
    """Starts one process for each tree, and runs the rounds of both."""
    options = {"threads": effort.threads, "device": effort.device}
    with (
        WorkerProcess(SCRIPT, base, options | {"slowdown": 0}, effort.threads) as base_worker,
        WorkerProcess(
            SCRIPT, head, options | {"slowdown": slowdown}, effort.threads
        ) as head_worker,
    ):
        workers = {"base": base_worker, "head": head_worker}
        cases = [worker.hello()["cases"] for worker in workers.values()]
        return alternate(workers, cases[0], effort.rounds, random.Random(seed))


def alternate(
    workers: dict[str, WorkerProcess], cases: list[str], rounds: int, rng: random.Random
) -> PairTimes:
    """Each round runs each case on both sides, back to back; the first side alternates (ABBA)."""
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"base": [], "head": []})
    side_orders = {case: rng.sample(["base", "head"], 2) for case in cases}
    for number in range(-1, rounds):
        for case in rng.sample(cases, len(cases)):
            for side in side_orders[case][:: -1 if number % 2 else 1]:
                times_by_phase = workers[side].ask(case)
                if number < 0:  # the first round warms up
                    continue
                for phase, times in times_by_phase.items():
                    seconds[f"{case}/{phase}"][side].append(round(median(times), SAMPLE_DIGITS))
    return {name: (seconds[name]["base"], seconds[name]["head"]) for name in sorted(seconds)}


def _compare(name: str, process_pairs: list[PairTimes], limit: float, seed: int) -> TimeComparison:
    """One benchmark over all pairs of processes."""
    times = [pair_times[name] for pair_times in process_pairs]
    estimate = ratio(times, seed=seed)
    return TimeComparison(
        name=name,
        base=[list(base) for base, _ in times],
        head=[list(head) for _, head in times],
        ratio=estimate.value,
        low=estimate.low,
        high=estimate.high,
        limit=limit,
        verdict=estimate.verdict(limit),
    )

"""Decode times of a bench, and how a decode step on ranks is spent.

A system whose name ends with NO_COMMUNICATION runs the step of another system without messages:
its time is the time of computing alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.results.engine_bench_record import NO_COMMUNICATION, BenchSystem, EngineBench
from benchmarks.results.statistics import phase_times

STEP_PARTS = ("computing", "messages", "waiting")


def decode_seconds(system: BenchSystem) -> np.ndarray:
    """[rounds] seconds of a decode step: the median of each round."""
    return phase_times(system.samples)["decode"]


def message_count(system: BenchSystem) -> int:
    """Messages of one decoded token that the first rank sends."""
    return sum(count for *_, count in system.decode_messages)


def step_parts(bench: EngineBench) -> pd.DataFrame:
    """One row a system that also ran without messages; milliseconds of a decoded token.

    What a step takes beyond computing is messages, counted at what one costs under load, and
    waiting. `expected` is computing plus all messages one after another; where it is above
    `measured`, messages overlap with computing.
    """
    systems = {system.name: system for system in bench.systems}
    rows = []
    for name, system in systems.items():
        without_messages = systems.get(name + NO_COMMUNICATION)
        if without_messages is None or name not in bench.message_seconds:
            continue
        measured = _median_ms(decode_seconds(system))
        computing = min(measured, _median_ms(decode_seconds(without_messages)))
        cost = message_count(system) * _median_ms(np.array(bench.message_seconds[name]))
        messages = min(cost, measured - computing)
        rows.append(
            {
                "system": name,
                "measured": measured,
                "computing": computing,
                "messages": messages,
                "waiting": measured - computing - messages,
                "expected": computing + cost,
            }
        )
    return pd.DataFrame(rows, columns=["system", "measured", *STEP_PARTS, "expected"])


def _median_ms(seconds: np.ndarray) -> float:
    return 1e3 * float(np.median(seconds))

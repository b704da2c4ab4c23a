"""Decode times of a bench, and where a step on ranks goes. Milliseconds, or seconds where it says.

A system whose name ends with NO_COMMUNICATION runs the step of another one without messages: its
time is computing alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.results.engine_bench_record import BenchSystem, EngineBench
from benchmarks.results.statistics import phase_times

NO_COMMUNICATION = "-no-communication"
STEP_PARTS = ("computing", "messages", "waiting")


def decode_seconds(system: BenchSystem) -> np.ndarray:
    """Seconds of a decode step: the median of each round."""
    return phase_times(system.samples)["decode"]


def step_parts(bench: EngineBench) -> pd.DataFrame:
    """One row a system that also ran without messages; milliseconds of a decoded token.

    What a system takes longer than computing alone is messages, as many as it sends at what one
    costs under load, and waiting. `expected` is computing plus all messages one by one; where it is
    above `measured`, messages overlap.
    """
    systems = {system.name: system for system in bench.systems}
    rows = []
    for name, system in systems.items():
        alone = systems.get(name + NO_COMMUNICATION)
        if alone is None or name not in bench.message_seconds:
            continue
        measured = 1e3 * float(np.median(decode_seconds(system)))
        computing = min(measured, 1e3 * float(np.median(decode_seconds(alone))))
        count = sum(count for *_, count in system.decode_messages)
        cost = 1e3 * count * float(np.median(bench.message_seconds[name]))
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

"""From samples to times and ratios: one row a variant, path, workload and phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.paths import AGAIN, REFERENCE, reference_of
from benchmarks.statistics import NOTHING, PHASES, of_phases
from reports.flags import marks
from reports.load import Results
from reports.measures import bootstrap_of

COLUMNS = ["variant", "path", "workload", "phase", "rounds", "milliseconds", "ratio", "marks"]
Series = dict[tuple[str, str, str], dict[str, np.ndarray]]
"""(variant, path, workload) -> phase -> seconds of each round."""


def latencies(results: Results) -> pd.DataFrame:
    """Medians over rounds; a round counts by its prefill, its median decode step, and its sum.

    Ratios are to dense on one device in the same mode, whose rounds ran interleaved with these.
    `marks`: see `flags.py`.
    """
    series, bootstrap = _series(results.latency), bootstrap_of(results)
    rows = []
    for (variant, path, workload), seconds in series.items():
        dense = series.get((REFERENCE, reference_of(path), workload))
        for phase in PHASES:
            own = seconds[phase]
            ratio = NOTHING if dense is None else bootstrap.ratio_of_medians(own, dense[phase])
            milliseconds = bootstrap.median(1000 * own)
            place = (variant, path, workload, phase)
            rows.append((*place, len(own), milliseconds, ratio, marks(own)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _series(samples: pd.DataFrame) -> Series:
    keys = ["variant", "path", "workload"]
    return {
        key: of_phases(own.pivot(index="round", columns="step", values="seconds").to_numpy())
        for key, own in samples.groupby(keys, sort=False)
    }


def aa_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of dense as one more arm."""
    return rows[rows["variant"] == AGAIN]


def round_seconds(results: Results, phase: str) -> dict[tuple[str, str], np.ndarray]:
    """(variant, path) -> seconds by round, of the first workload; all rounds ran interleaved."""
    first = results.workloads[:1]
    return {
        (variant, path): seconds[phase]
        for (variant, path, workload), seconds in _series(results.latency).items()
        if workload in first
    }

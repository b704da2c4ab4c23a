"""From samples to times and ratios: one row a variant, path, workload and phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, PHASES, phase_times
from reports.data.results_folder import Results
from reports.estimates.quality import bootstrap_of
from reports.estimates.series_flags import series_flags

COLUMNS = ["variant", "backend", "workload", "phase", "rounds", "milliseconds", "ratio", "marks"]
Series = dict[tuple[str, str, str], dict[str, np.ndarray]]
"""(variant, path, workload) -> phase -> seconds of each round."""


def latency_estimates(results: Results) -> pd.DataFrame:
    """Medians over rounds; a round counts by its prefill, its median decode step, and its sum.

    Ratios are to dense on one device in the same mode, whose rounds ran interleaved with these.
    `marks`: see `flags.py`.
    """
    series, bootstrap = _series(results.latency), bootstrap_of(results)
    rows = []
    for (variant, backend, workload), seconds in series.items():
        dense = series.get((REFERENCE, results.backends[backend].reference, workload))
        for phase in PHASES:
            own = seconds[phase]
            ratio = NO_ESTIMATE if dense is None else bootstrap.ratio_of_medians(own, dense[phase])
            milliseconds = bootstrap.median(1000 * own)
            place = (variant, backend, workload, phase)
            rows.append((*place, len(own), milliseconds, ratio, series_flags(own)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _series(samples: pd.DataFrame) -> Series:
    keys = ["variant", "backend", "workload"]
    return {
        key: phase_times(own.pivot(index="round", columns="step", values="seconds").to_numpy())
        for key, own in samples.groupby(keys, sort=False)
    }


def aa_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of dense as one more arm."""
    return rows[rows["variant"] == AA_CONTROL]


def round_seconds(results: Results, phase: str) -> dict[tuple[str, str], np.ndarray]:
    """(variant, path) -> seconds by round, of the first workload; all rounds ran interleaved."""
    first = results.workloads[:1]
    return {
        (variant, backend): seconds[phase]
        for (variant, backend, workload), seconds in _series(results.latency).items()
        if workload in first
    }

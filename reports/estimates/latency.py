"""From samples to times and ratios: one row a variant, backend, workload and phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, PHASES, phase_times
from reports.data.results import Results
from reports.estimates.quality import bootstrap_of
from reports.estimates.series_flags import series_flags

COLUMNS = ["variant", "backend", "workload", "phase", "rounds", "milliseconds", "ratio", "flags"]
PhaseSeconds = dict[str, np.ndarray]
"""Phase -> [rounds] seconds."""


def latency_estimates(results: Results) -> pd.DataFrame:
    """Medians over rounds; a round counts by its prefill, its median decode step, and its sum.

    Ratios are to dense on one device in the same mode, whose rounds ran interleaved with these.
    `flags` are those of `series_flags`.
    """
    series, bootstrap = _series(results.latency), bootstrap_of(results)
    rows = []
    for (variant, backend, workload), seconds in series.items():
        dense = series.get((REFERENCE, results.backends[backend].reference, workload))
        for phase in PHASES:
            rounds = seconds[phase]
            ratio = NO_ESTIMATE
            if dense is not None:
                ratio = bootstrap.ratio_of_medians(rounds, dense[phase])
            milliseconds = bootstrap.median(1000 * rounds)
            key = (variant, backend, workload, phase)
            rows.append((*key, len(rounds), milliseconds, ratio, series_flags(rounds)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _series(samples: pd.DataFrame) -> dict[tuple[str, str, str], PhaseSeconds]:
    """(variant, backend, workload) -> phase -> [rounds] seconds."""
    return {
        key: phase_times(rows.pivot(index="round", columns="step", values="seconds").to_numpy())
        for key, rows in samples.groupby(["variant", "backend", "workload"], sort=False)
    }


def aa_rows(latencies: pd.DataFrame) -> pd.DataFrame:
    """Rows of the A/A control: dense, timed a second time."""
    return latencies[latencies["variant"] == AA_CONTROL]


def round_seconds(results: Results, phase: str) -> dict[tuple[str, str], np.ndarray]:
    """(variant, backend) -> [rounds] seconds, of the first workload; all rounds ran interleaved."""
    first_workload = results.workloads[:1]
    return {
        (variant, backend): seconds[phase]
        for (variant, backend, workload), seconds in _series(results.latency).items()
        if workload in first_workload
    }

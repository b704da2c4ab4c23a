"""From samples to times and ratios: one row a variant, backend, workload and phase."""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, PHASES, Estimate
from reports.data.results import PhaseSeconds, Results
from reports.estimates.quality import bootstrap_of
from reports.estimates.rows import by_variant
from reports.estimates.series_flags import series_flags

COLUMNS = ["variant", "backend", "workload", "phase", "rounds", "milliseconds", "ratio", "flags"]
RoundSeconds = dict[tuple[str, str], PhaseSeconds]
"""(variant, backend) -> the seconds of its rounds."""


def latency_estimates(results: Results) -> pd.DataFrame:
    """Medians over rounds; a round counts by its prefill, its median decode step, and its sum.

    Ratios are to dense on one device in the same mode, whose rounds ran interleaved with these.
    `flags` are those of `series_flags`.
    """
    series, bootstrap = results.rounds, bootstrap_of(results)
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


def aa_rows(latencies: pd.DataFrame) -> pd.DataFrame:
    """Rows of the A/A control: dense, timed a second time."""
    return latencies[latencies["variant"] == AA_CONTROL]


def decode_rows(results: Results, latencies: pd.DataFrame) -> pd.DataFrame:
    """Decode times of the run's variants that have a ratio to dense."""
    has_ratio = latencies["ratio"].map(lambda ratio: not math.isnan(ratio.value))
    is_variant = latencies["variant"].isin(list(results.variants))
    return latencies[(latencies["phase"] == "decode") & has_ratio & is_variant]


def decode_ratios(
    results: Results, latencies: pd.DataFrame, workload: str
) -> dict[str, dict[str, Estimate]]:
    """Backend -> variant -> time of a decoded token over that of dense.

    Backends that run dense only are left out, and so are variants and backends without a ratio.
    """
    decode = decode_rows(results, latencies[latencies["workload"] == workload])
    ratios = {
        name: by_variant(decode[decode["backend"] == name], "ratio")
        for name, backend in results.backends.items()
        if not backend.dense_only
    }
    return {name: of_backend for name, of_backend in ratios.items() if of_backend}


def round_seconds(results: Results) -> RoundSeconds:
    """The first workload of the run; its rounds ran interleaved, so they are paired."""
    return {
        (variant, backend): seconds
        for (variant, backend, workload), seconds in results.rounds.items()
        if workload in results.workloads[:1]
    }

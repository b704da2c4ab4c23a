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
TimedPair = tuple[str, str]
"""(variant, backend)."""


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


def aa_ratios(results: Results) -> pd.DataFrame:
    """Dense timed a second time over dense, on each backend that did so; a row a phase."""
    series, bootstrap = results.rounds, bootstrap_of(results)
    rows = [
        (backend, workload, phase, bootstrap.ratio_of_medians(again[phase], dense[phase]))
        for (variant, backend, workload), again in series.items()
        if variant == AA_CONTROL
        if (dense := series.get((REFERENCE, backend, workload))) is not None
        for phase in PHASES
    ]
    return pd.DataFrame(rows, columns=["backend", "workload", "phase", "ratio"])


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


def decode_ratio(
    results: Results, rounds: RoundSeconds, above: TimedPair, below: TimedPair
) -> Estimate:
    """Time of a decoded token over that of another; NO_ESTIMATE where one was not timed."""
    return speedup_over(results, rounds, below, above)


def speedup_over(
    results: Results,
    rounds: RoundSeconds,
    timed: TimedPair,
    base: TimedPair,
    phase: str = "decode",
) -> Estimate:
    """How many times as fast a phase is as that of `base`; NO_ESTIMATE where one was not timed."""
    if timed not in rounds or base not in rounds:
        return NO_ESTIMATE
    seconds = (rounds[pair][phase] for pair in (base, timed))
    return bootstrap_of(results).ratio_of_medians(*seconds)


def resolution(results: Results, latencies: pd.DataFrame) -> dict[str, float]:
    """Backend -> the widest distance from a decode ratio to an end of its interval, as a share.

    A smaller difference between that variant and dense would not show.
    """
    rows = latencies[latencies["phase"] == "decode"]
    shares: dict[str, float] = {}
    for backend, ratio in zip(rows["backend"], rows["ratio"], strict=True):
        if ratio.has_interval and ratio.low != ratio.high:
            share = max(ratio.high / ratio.value - 1, 1 - ratio.low / ratio.value)
            shares[backend] = max(share, shares.get(backend, 0))
    return {backend: shares[backend] for backend in results.backends if backend in shares}

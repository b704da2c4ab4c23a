"""The table of times: each beside its ratio to dense, and beside what the variant costs in quality.

A time without a quality is marked, since leaving layers out is always fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, PHASES
from reports.data.results_folder import ReportedVariant, Results, plan_of
from reports.estimates import series_flags
from reports.estimates.quality_cost import QualityCost
from reports.tables import number_format
from reports.tables.table import Table, find_row, identity, missing_cell, to_dense
from reports.text.background import latency_setting

HEADS = {
    "prefill": "prefill (TTFT), ms",
    "decode": "decode (TPOT), ms/token",
    "end to end": "end to end, ms",
}


NO_ACCURACY = "no accuracy"


def latency_table(
    results: Results, latencies: pd.DataFrame, quality: dict[str, QualityCost]
) -> Table:
    """One row a variant, path and workload, of the workloads and paths that have any number."""
    rows = [
        _row(results, latencies, quality, name, backend, workload)
        for workload in results.workloads
        for backend in list(results.backends)
        if len(_of(latencies, backend, workload))
        for name in _names(results, backend)
    ]
    shown = pd.DataFrame(rows)
    if len(results.workloads) == 1:
        shown = shown.drop(columns="workload", errors="ignore")
    note = (
        "Medians over rounds; end to end: prefill and all decode steps of a round. / dense: ratio "
        "of medians to dense on one device in the same mode, drawn from the same rounds, below ×1 "
        f"is faster. {AA_CONTROL}: dense, timed a second time. {series_flags.NOTE} "
        f"{latency_setting(results)}"
    )
    return Table("latency", "Latency", _with_quality(latencies, quality), shown, note)


def _of(latencies: pd.DataFrame, backend: str, workload: str) -> pd.DataFrame:
    return latencies[(latencies["backend"] == backend) & (latencies["workload"] == workload)]


def _names(results: Results, backend: str) -> Iterator[str]:
    """What a backend times, the A/A control next to dense."""
    timed = results.timed_variants(backend)
    for name in results.variants:
        if name in timed:
            yield name
        if name == REFERENCE and AA_CONTROL in timed:
            yield AA_CONTROL


def _row(
    results: Results,
    latencies: pd.DataFrame,
    quality: dict[str, QualityCost],
    name: str,
    backend: str,
    workload: str,
) -> dict[str, str]:
    variant = results.variants[plan_of(name)]
    row = identity(variant) | {
        "variant": name,
        "workload": workload,
        "runs": results.backends[backend].label,
    }
    gone = missing_cell(results, replace(variant, name=name), [f"latency/{backend}/{workload}"])
    for phase in PHASES:
        heads = (HEADS[phase], f"{phase} / dense")
        found = find_row(_of(latencies, backend, workload), name, "phase", phase)
        if found is None:
            row |= dict.fromkeys(heads, gone)
            continue
        time = f"{number_format.with_interval(found['milliseconds'])} {found['marks']}".rstrip()
        row |= {heads[0]: time, heads[1]: _ratio(found)}
    return (
        row
        | _quality_cells(quality[variant.name], variant)
        | {"speed-up by depth": _ideal(results, variant, backend)}
    )


def _ratio(found: pd.Series) -> str:
    """Dense over itself is exact, so it gets no interval."""
    ratio = found["ratio"]
    if ratio.low == ratio.high == 1:
        return number_format.times(1)
    return number_format.with_interval(ratio, number_format.times)


def _quality_cells(quality: QualityCost, variant: ReportedVariant) -> dict[str, str]:
    heads = ("perplexity / dense", "accuracy − dense, points")
    if not quality.is_known:
        return dict.fromkeys(heads, NO_ACCURACY)
    pairs = zip(
        heads,
        (quality.perplexity_ratio, quality.accuracy_difference),
        (number_format.times, number_format.points),
        strict=True,
    )
    return {head: "–" if x is None else to_dense(x, variant, spelt) for head, x, spelt in pairs}


def _ideal(results: Results, variant: ReportedVariant, backend: str) -> str:
    depth = results.timed_depth(variant.name, backend)
    speedup = number_format.times(variant.plan.num_layers / depth)
    if variant.plan.max_group_size > 1:
        return f"ideal {speedup}, on {variant.plan.max_group_size} ranks"
    decode_only = variant.plan.prefill is not None or variant.early_exit is not None
    return f"ideal {speedup}" + (", decode only" if decode_only else "")


def _with_quality(latencies: pd.DataFrame, quality: dict[str, QualityCost]) -> pd.DataFrame:
    """For the CSV: a time is never without what it costs."""
    own = [quality[plan_of(name)] for name in latencies["variant"]]
    return latencies.assign(
        perplexity_ratio=[q.perplexity_ratio or NO_ESTIMATE for q in own],
        accuracy_difference=[q.accuracy_difference or NO_ESTIMATE for q in own],
    )

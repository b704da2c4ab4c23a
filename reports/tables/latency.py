"""The table of times: each beside its ratio to dense, and beside what the variant costs in quality.

A time without a quality says so, since leaving layers out is always fast.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, PHASES, Estimate
from reports.data import number_format
from reports.data.devices import device_unit, devices_taken, has_whole_devices
from reports.data.labels import NO_ACCURACY
from reports.data.measured_on import latency_setting
from reports.data.results import ReportedVariant, Results, plan_of
from reports.estimates import series_flags
from reports.estimates.quality_cost import QualityCost
from reports.estimates.rows import find_row
from reports.tables.table import Table, identity, missing_cell, to_dense

PHASE_HEADS = {
    "prefill": "prefill (TTFT), ms",
    "decode": "decode (TPOT, median step), ms/token",
    "end to end": "end to end, ms",
}


def latency_table(
    results: Results, latencies: pd.DataFrame, qualities: dict[str, QualityCost]
) -> Table:
    """One row a workload, backend and variant, from `latency_estimates` and `quality_costs`.

    Workloads and backends without a number are left out.
    """
    rows = []
    for workload in results.workloads:
        for backend in results.backends:
            of_backend = latencies[
                (latencies["backend"] == backend) & (latencies["workload"] == workload)
            ]
            if of_backend.empty:
                continue
            for name in _timed_names(results, backend):
                rows.append(
                    _identity_cells(results, name, backend, workload)
                    | _time_cells(results, of_backend, name, f"latency/{backend}/{workload}")
                    | _throughput_cells(results, of_backend, name, backend, workload)
                    | _quality_cells(qualities[plan_of(name)], results.variants[plan_of(name)])
                    | {"speed-up by depth": _speedup_by_depth(results, name, backend)}
                )
    shown = pd.DataFrame(rows)
    if len(results.workloads) == 1:
        shown = shown.drop(columns="workload", errors="ignore")
    note = (
        "Medians over rounds; decode: the median step of a round; end to end: prefill and all "
        f"decode steps of a round; {device_unit(results)}-s: decode time × {device_unit(results)}s "
        "that it takes; weights: what each rank holds of this variant. / dense: ratio of medians "
        "to dense on one device in the same mode, drawn from the same rounds, below ×1 is faster. "
        f"{AA_CONTROL}: dense, timed a second time. {series_flags.NOTE} "
        f"{_unpaired(results)}"
        f"{latency_setting(results)}"
    )
    return Table("latency", "Latency", _with_quality(latencies, qualities), shown, note)


def _timed_names(results: Results, backend: str) -> Iterator[str]:
    """What a backend times, the A/A control next to dense."""
    timed = results.timed_variants(backend)
    for name in results.variants:
        if name in timed:
            yield name
        if name == REFERENCE and AA_CONTROL in timed:
            yield AA_CONTROL


def _identity_cells(results: Results, name: str, backend: str, workload: str) -> dict[str, str]:
    return identity(results.variants[plan_of(name)]) | {
        "variant": name,
        "workload": workload,
        "runs": results.backends[backend].label,
    }


def _time_cells(
    results: Results, of_backend: pd.DataFrame, name: str, measurement: str
) -> dict[str, str]:
    """Two cells a phase: the time with its flags, and its ratio to dense."""
    cells: dict[str, str] = {}
    for phase in PHASES:
        heads = (PHASE_HEADS[phase], f"{phase} / dense")
        row = find_row(of_backend, name, "phase", phase)
        if row is None:
            cells |= dict.fromkeys(heads, missing_cell(results, name, [measurement]))
            continue
        time = f"{number_format.with_interval(row['milliseconds'])} {row['flags']}".rstrip()
        cells |= {heads[0]: time, heads[1]: _ratio_cell(row["ratio"])}
    return cells


def _throughput_cells(
    results: Results, of_backend: pd.DataFrame, name: str, backend: str, workload: str
) -> dict[str, str]:
    """Tokens a second, hardware a thousand tokens, and memory; all of the median decode step."""
    row = find_row(of_backend, name, "phase", "decode")
    record = results.latency_by_key.get((name, backend, workload))
    heads = ("tokens/s", f"{device_unit(results)}-s / 1,000 tokens", "weights a rank, MB")
    if row is None or record is None:
        return dict.fromkeys(heads, "–")
    batch, milliseconds = record.workload["batch"], row["milliseconds"].value
    megabytes = [number_format.significant(held / 1e6) for held in record.weight_bytes]
    cells = (
        number_format.significant(1000 * batch / milliseconds),
        number_format.significant(milliseconds * devices_taken(record) / batch),
        ", ".join(dict.fromkeys(megabytes)) or "–",
    )
    return dict(zip(heads, cells, strict=True))


def _ratio_cell(ratio: Estimate) -> str:
    """Dense over itself is exact, so it gets no interval."""
    if ratio.low == ratio.high == 1:
        return number_format.times(1)
    return number_format.with_interval(ratio, number_format.times)


def _quality_cells(quality: QualityCost, variant: ReportedVariant) -> dict[str, str]:
    heads = ("perplexity / dense", "accuracy − dense, points")
    if not quality.is_known:
        return dict.fromkeys(heads, NO_ACCURACY)
    estimates = (quality.perplexity_ratio, quality.accuracy_difference)
    formats = (number_format.times, number_format.points)
    return {
        head: "–" if estimate is None else to_dense(estimate, variant, number)
        for head, estimate, number in zip(heads, estimates, formats, strict=True)
    }


def _unpaired(results: Results) -> str:
    """Says which variants have no quality beside their times, and why."""
    depths = [
        f"{name} ({number_format.significant(results.timed_depth(name))} layers timed, "
        f"{number_format.significant(variant.depth)} scored)"
        for name, variant in results.variants.items()
        if not results.timed_as_scored(name)
    ]
    if not depths:
        return ""
    return f"No quality stands beside times of another depth: {', '.join(depths)}. "


def _speedup_by_depth(results: Results, name: str, backend: str) -> str:
    """The speed-up if time were proportional to depth, and where it would apply."""
    variant = results.variants[plan_of(name)]
    depth = results.timed_depth(variant.name, backend)
    speedup = number_format.times(variant.plan.num_layers / depth)
    if (size := variant.plan.max_group_size) > 1:
        if results.backends[backend].ranks < size:
            return f"ideal {speedup}, on {size} devices"
        shared = "" if has_whole_devices(results, backend) else ", with whole devices"
        return f"ideal {speedup}{shared}"
    decode_only = variant.plan.prefill is not None or variant.early_exit is not None
    return f"ideal {speedup}" + (", decode only" if decode_only else "")


def _with_quality(latencies: pd.DataFrame, qualities: dict[str, QualityCost]) -> pd.DataFrame:
    """For the CSV: each time with what the variant costs."""
    costs = [qualities[plan_of(name)] for name in latencies["variant"]]
    return latencies.assign(
        perplexity_ratio=[cost.perplexity_ratio or NO_ESTIMATE for cost in costs],
        accuracy_difference=[cost.accuracy_difference or NO_ESTIMATE for cost in costs],
    )

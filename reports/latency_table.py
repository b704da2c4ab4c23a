"""The table of times: each beside its ratio to dense, and beside what the variant costs in quality.

A time without a quality is marked, since leaving layers out is always fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.paths import AGAIN, REFERENCE, TRANSFORMERS, plan_of, ranks_of
from benchmarks.statistics import NOTHING, PHASES, Estimate
from reports import flags, numbers
from reports.background import latency_setting
from reports.load import Results, Variant
from reports.measures import ALL, MEAN
from reports.style import path_name
from reports.tables import Table, find, identity, lost, to_dense

HEADS = {
    "prefill": "prefill (TTFT), ms",
    "decode": "decode (TPOT), ms/token",
    "end to end": "end to end, ms",
}
NO_ACCURACY = "no accuracy"


@dataclass(frozen=True)
class Quality:
    """What a variant costs; None is what was not measured."""

    perplexity_ratio: Estimate | None
    accuracy_difference: Estimate | None

    @property
    def is_known(self) -> bool:
        return self.perplexity_ratio is not None or self.accuracy_difference is not None


def qualities(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> dict[str, Quality]:
    """Of every variant: all texts together, and the mean over tasks."""
    found = {}
    for name in results.variants:
        text, task = find(perplexities, name, "text", ALL), find(accuracies, name, "task", MEAN)
        found[name] = Quality(
            None if text is None else text["ratio"],
            None if task is None else task["difference"],
        )
    return found


def latency_table(results: Results, latencies: pd.DataFrame, quality: dict[str, Quality]) -> Table:
    """One row a variant, path and workload, of the workloads and paths that have any number."""
    rows = [
        _row(results, latencies, quality, name, path, workload)
        for workload in results.workloads
        for path in results.paths
        if len(_of(latencies, path, workload))
        for name in _names(results, path)
    ]
    shown = pd.DataFrame(rows)
    if len(results.workloads) == 1:
        shown = shown.drop(columns="workload", errors="ignore")
    note = (
        "Medians over rounds; end to end: prefill and all decode steps of a round. / dense: ratio "
        "of medians to dense on one device in the same mode, drawn from the same rounds, below ×1 "
        f"is faster. {AGAIN}: dense as one more arm. {flags.NOTE} {latency_setting(results)}"
    )
    return Table("latency", "Latency", _with_quality(latencies, quality), shown, note)


def _of(latencies: pd.DataFrame, path: str, workload: str) -> pd.DataFrame:
    return latencies[(latencies["path"] == path) & (latencies["workload"] == workload)]


def _names(results: Results, path: str) -> Iterator[str]:
    """What is timed on a path, dense and its twin one below the other."""
    for name in [REFERENCE] if path == TRANSFORMERS else results.variants:
        yield name
        if name == REFERENCE and ranks_of(path) == 1 and path != TRANSFORMERS:
            yield AGAIN


def _row(
    results: Results,
    latencies: pd.DataFrame,
    quality: dict[str, Quality],
    name: str,
    path: str,
    workload: str,
) -> dict[str, str]:
    variant = results.variants[plan_of(name)]
    row = identity(variant) | {"variant": name, "workload": workload, "runs": path_name(path)}
    gone = lost(results, replace(variant, name=name), [f"latency/{path}/{workload}"])
    for phase in PHASES:
        heads = (HEADS[phase], f"{phase} / dense")
        found = find(_of(latencies, path, workload), name, "phase", phase)
        if found is None:
            row |= dict.fromkeys(heads, gone)
            continue
        time = f"{numbers.with_interval(found['milliseconds'])} {found['marks']}".rstrip()
        row |= {heads[0]: time, heads[1]: _ratio(found)}
    return (
        row
        | _quality_cells(quality[variant.name], variant)
        | {"speed-up by depth": _ideal(results, variant, path)}
    )


def _ratio(found: pd.Series) -> str:
    """Dense over itself is exact, so it gets no interval."""
    ratio = found["ratio"]
    if ratio.low == ratio.high == 1:
        return numbers.times(1)
    return numbers.with_interval(ratio, numbers.times)


def _quality_cells(quality: Quality, variant: Variant) -> dict[str, str]:
    heads = ("perplexity / dense", "accuracy − dense, points")
    if not quality.is_known:
        return dict.fromkeys(heads, NO_ACCURACY)
    pairs = zip(
        heads,
        (quality.perplexity_ratio, quality.accuracy_difference),
        (numbers.times, numbers.points),
        strict=True,
    )
    return {head: "–" if x is None else to_dense(x, variant, spelt) for head, x, spelt in pairs}


def _ideal(results: Results, variant: Variant, path: str) -> str:
    depth = results.timed_depth(variant.name, path)
    speedup = numbers.times(variant.plan.num_layers / depth)
    if variant.plan.max_group_size > 1:
        return f"ideal {speedup}, on {variant.plan.max_group_size} ranks"
    decode_only = variant.plan.prefill is not None or variant.exits is not None
    return f"ideal {speedup}" + (", decode only" if decode_only else "")


def _with_quality(latencies: pd.DataFrame, quality: dict[str, Quality]) -> pd.DataFrame:
    """For the CSV: a time is never without what it costs."""
    own = [quality[plan_of(name)] for name in latencies["variant"]]
    return latencies.assign(
        perplexity_ratio=[q.perplexity_ratio or NOTHING for q in own],
        accuracy_difference=[q.accuracy_difference or NOTHING for q in own],
    )

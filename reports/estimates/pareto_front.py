"""Perplexity beside time and device-seconds of a decoded token, and the best points."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.data.devices import devices_taken
from reports.data.results import Results, plan_of
from reports.estimates.quality import over_all_texts

COLUMNS = ["variant", "backend", "latency", "resources", "quality"]


def pareto_points(
    results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame
) -> pd.DataFrame:
    """One row for each variant and backend with a decode time; all values are relative to dense.

    `latency` is time, `resources` is time by GPUs or cores, `quality` is perplexity, NO_ESTIMATE
    where it was not measured. Backends that run dense only are left out: they are other programs,
    not variants. So are variants that were timed at another depth than they were scored at, and
    healed variants.
    """
    qualities = over_all_texts(perplexities, "ratio")
    unhealed = {variant.name for variant in results.unhealed}
    rows = []
    for row in latencies[latencies["phase"] == "decode"].to_dict("records"):
        variant, backend, time = row["variant"], row["backend"], row["ratio"]
        if results.backends[backend].dense_only or plan_of(variant) not in unhealed:
            continue
        if results.timed_as_scored(variant) and not math.isnan(time.value):
            devices = _devices_over_reference(results, backend)
            resources = time.map(lambda share, devices=devices: share * devices)
            rows.append((variant, backend, time, resources, qualities.get(variant, NO_ESTIMATE)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _devices_over_reference(results: Results, backend: str) -> float:
    """GPUs or cores of a backend, over those of dense on one device."""
    record = results.timed_by_backend[backend]
    reference = results.timed_by_backend.get(record.backend.reference, record)
    return devices_taken(record) / devices_taken(reference)


def pareto_front(points: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The points that no cheaper point equals in quality, beyond the noise of both; cheapest first.

    `cost` is the column `latency` or `resources`. Where the intervals of two costs overlap, the
    point of better quality stands for both.
    """
    order = sorted(points.index, key=lambda index: points.loc[index, cost].value)
    front: list[Any] = []
    for index in order:
        cost_here, quality = points.loc[index, cost], points.loc[index, "quality"]
        if math.isnan(quality.value):
            continue
        if front and _end(quality, "high") >= _end(points.loc[front[-1], "quality"], "low"):
            continue
        if front and _end(cost_here, "low") <= _end(points.loc[front[-1], cost], "high"):
            front.pop()
        front.append(index)
    return points.loc[front]


def _end(estimate: Estimate, end: str) -> float:
    """An end of the interval, or the value where there is none."""
    return float(getattr(estimate, end) if estimate.has_interval else estimate.value)

"""Perplexity beside the time and the device-seconds of a decoded token, and the best points."""

from __future__ import annotations

import math

import pandas as pd

from reports.data.results import Results, plan_of
from reports.estimates.quality import over_all_texts

COLUMNS = ["variant", "backend", "latency", "resources", "quality"]


def pareto_points(
    results: Results, perplexities: pd.DataFrame, latencies: pd.DataFrame
) -> pd.DataFrame:
    """One row for each variant and backend with a decode time; all values are relative to dense.

    `latency` is time, `resources` is time by ranks, `quality` is perplexity, NaN where it was not
    measured. Backends that run dense only are left out: they are other programs, not variants. So
    are variants that were timed at another depth than they were scored at, and healed variants.
    """
    ratios = over_all_texts(perplexities, "ratio")
    qualities = {variant: ratio.value for variant, ratio in ratios.items()}
    unhealed = {variant.name for variant in results.unhealed}
    rows = []
    for row in latencies[latencies["phase"] == "decode"].to_dict("records"):
        backend = results.backends[row["backend"]]
        if backend.dense_only or plan_of(row["variant"]) not in unhealed:
            continue
        if results.timed_as_scored(row["variant"]):
            time = row["ratio"].value
            quality = qualities.get(row["variant"], math.nan)
            rows.append((row["variant"], row["backend"], time, time * backend.ranks, quality))
    return pd.DataFrame(rows, columns=COLUMNS).dropna(subset=["latency"])


def pareto_front(points: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The points that no other point beats in both cost and quality, cheapest first.

    `cost` is the column `latency` or `resources`.
    """
    known = points.dropna(subset=["quality"]).sort_values([cost, "quality"])
    best = known["quality"].cummin()
    return known[(known["quality"] == best) & ~known["quality"].duplicated()]

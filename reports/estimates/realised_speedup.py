"""Requested and realised speed-up: what the options ask for, what ran, and what was measured.

Published ratios of skipping methods are often the requested ones. Embedding, head and prompt are
never skipped, so less is realised; the paper of Unified Layer Skipping counts prompt and output.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.results import ENGINE, ReportedVariant, Results
from reports.estimates.quality import bootstrap_of

SHORTENED_FAMILIES = ("skipping", "removal")
"""Families of methods that leave layers out; the others run them all."""


def realised_speedups(results: Results) -> pd.DataFrame:
    """One row a variant that was timed on one device beside dense; above 1 is faster.

    Decode is the sum of a round's decode steps, since layers can differ from step to step;
    end-to-end adds the prefill. Medians over rounds of the first workload, dense's rounds paired
    with those of the variant.
    """
    on_engine = results.latency["backend"] == ENGINE
    in_first_workload = results.latency["workload"].isin(results.workloads[:1])
    samples = results.latency[on_engine & in_first_workload]
    timed = set(samples["variant"])
    if REFERENCE not in timed:
        timed = set()
    phases = {"decode": samples[samples["phase"] == "decode"], "end_to_end": samples}
    rows = [
        {"variant": variant.name, "requested": requested(variant)}
        | {"by_depth": variant.plan.num_layers / results.timed_depth(variant.name)}
        | {name: _speedup(results, frame, variant.name) for name, frame in phases.items()}
        for variant in results.variants.values()
        if variant.family in SHORTENED_FAMILIES and variant.name in timed
    ]
    return pd.DataFrame(rows, columns=["variant", "requested", "by_depth", *phases])


def requested(variant: ReportedVariant) -> float:
    """The speed-up that the options ask for, as a ratio or as a depth; NaN where they hold neither.

    SkipDecode's is that of its mean depth over the tokens in which the depth falls.
    """
    options, num_layers = variant.options, variant.plan.num_layers
    if options.get("speedup"):
        return float(options["speedup"])
    if options.get("depth"):
        return num_layers / options["depth"]
    if "min_depth" in options:
        return 2 * num_layers / (options["min_depth"] + options["max_depth"])
    return math.nan


def _speedup(results: Results, samples: pd.DataFrame, variant: str) -> Estimate:
    """Dense over the variant, of the seconds that the samples of a round add up to."""
    dense_rounds, variant_rounds = (
        samples[samples["variant"] == name].groupby("round")["seconds"].sum().to_numpy()
        for name in (REFERENCE, variant)
    )
    return bootstrap_of(results).ratio_of_medians(dense_rounds, variant_rounds)

"""Requested and realised speed-up: what was asked for, what was run, and what the clock says.

Published ratios of skipping methods are often the requested ones. Embedding, head and prompt are
never skipped, so less is realised; the paper of Unified Layer Skipping counts prompt and output.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.results_folder import ENGINE, ReportedVariant, Results
from reports.estimates.quality import DENSE, bootstrap_of

SHOWN = ("skipping", "removal")
"""Families of methods that leave layers out; groups run them all."""


def realised_speedups(results: Results) -> pd.DataFrame:
    """One row a variant that was timed on one device beside dense; speed-ups, above 1 is faster.

    Decode is the sum of a round's decode steps, since layers can differ from step to step;
    end-to-end adds the prefill; of the first workload. Medians over rounds, paired as everywhere.
    """
    engine = results.latency["backend"] == ENGINE
    own = results.latency[engine & (results.latency["workload"].isin(results.workloads[:1]))]
    timed = set(own["variant"]) if DENSE in set(own["variant"]) else set()
    phases = {"decode": own[own["phase"] == "decode"], "end_to_end": own}
    rows = [
        {"variant": variant.name, "requested": requested(variant)}
        | {"by_depth": variant.plan.num_layers / results.timed_depth(variant.name)}
        | {name: _speedup(results, frame, variant.name) for name, frame in phases.items()}
        for variant in results.variants.values()
        if variant.family in SHOWN and variant.name in timed
    ]
    columns = ["variant", "requested", "by_depth", *phases]
    return pd.DataFrame(rows, columns=columns)


def requested(variant: ReportedVariant) -> float:
    """As the options say it: a ratio, or a depth; NaN where they say neither.

    SkipDecode's is that of the mean depth over the tokens in which it falls.
    """
    options, layers = variant.options, variant.plan.num_layers
    if options.get("speedup"):
        return float(options["speedup"])
    if options.get("depth"):
        return layers / options["depth"]
    if "min_depth" in options:
        return 2 * layers / (options["min_depth"] + options["max_depth"])
    return float("nan")


def _speedup(results: Results, frame: pd.DataFrame, name: str) -> Estimate:
    """Dense over the variant, of the seconds that each round's samples in `frame` add up to."""
    dense, own = (
        frame[frame["variant"] == which].groupby("round")["seconds"].sum().to_numpy()
        for which in (DENSE, name)
    )
    return bootstrap_of(results).ratio_of_medians(dense, own)

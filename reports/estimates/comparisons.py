"""The two questions of the suite, answered by paired intervals.

Does grouping beat removal at the same depth? And what does a bypass do to the same groups?
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from cqil.selection.dynamic import summed
from reports.data.labels import bypass_mode
from reports.data.results_folder import ReportedVariant, Results
from reports.estimates.quality import DENSE, perplexity, perplexity_ratio, perplexity_value


def removal_at_same_depth(results: Results) -> pd.DataFrame:
    """Every removal against every plain grouped plan of its depth; ratios above 1 favour groups."""
    scored = scored_variants(results)
    rows = [
        {
            "depth": grouped.plan.depth,
            "grouped": grouped.name,
            "removal": removal.name,
            "ratio": (ratio := perplexity_ratio(results, removal.name, grouped.name)),
            "verdict": ratio.verdict(1),
        }
        for grouped in scored
        for removal in scored
        if grouped.family == "cqil" and bypass_mode(grouped) == "none"
        if removal.family == "removal" and removal.plan.depth == grouped.plan.depth
    ]
    return pd.DataFrame(rows, columns=["depth", "grouped", "removal", "ratio", "verdict"])


def best_of_each_depth(results: Results) -> pd.DataFrame:
    """The best plain grouped plan against the best removal; rows as of `removal_at_same_depth`."""
    scored = scored_variants(results)
    rows = []
    for depth in sorted({v.plan.depth for v in scored}, reverse=True):
        level = [v for v in scored if v.plan.depth == depth]
        grouped = [v.name for v in level if v.family == "cqil" and bypass_mode(v) == "none"]
        removal = [v.name for v in level if v.family == "removal"]
        if grouped and removal:
            ours, theirs = (_best(results, names) for names in (grouped, removal))
            ratio = perplexity_ratio(results, theirs, ours)
            rows.append((depth, ours, theirs, ratio, ratio.verdict(1)))
    return pd.DataFrame(rows, columns=["depth", "grouped", "removal", "ratio", "verdict"])


def _best(results: Results, variants: list[str]) -> str:
    return min(variants, key=lambda name: perplexity_value(results, name))


KINDS = {
    "best uniform rule": lambda v: v.method == "uniform" and bypass_mode(v) == "none",
    "best other grouping rule": lambda v: v.family == "cqil" and v.method not in SEARCHED,
    "best removal rule": lambda v: v.family == "removal",
}
"""Rivals of a plan that was searched for."""
SEARCHED = ("uniform", "dynamic")


def searched_against_others(results: Results) -> pd.DataFrame:
    """`dynamic` against the best of each kind at its depth; ratios above 1 favour it.

    Beside what it measured, what it predicted: in nats, of both plans, NaN where not known.
    """
    scored = scored_variants(results)
    rows = []
    for own in (variant for variant in scored if variant.method == "dynamic"):
        level = [v for v in scored if v.plan.depth == own.plan.depth]
        for kind, belongs in KINDS.items():
            if not (rivals := [v.name for v in level if belongs(v)]):
                continue
            other = _best(results, rivals)
            ratio = perplexity_ratio(results, other, own.name)
            nats = _nats(results, own, results.variants[other])
            rows.append((own.plan.depth, own.name, kind, other, ratio, ratio.verdict(1), *nats))
    columns = ["depth", "variant", "kind", "other", "ratio", "verdict"]
    return pd.DataFrame(rows, columns=[*columns, *NATS])


NATS = ["own_summed", "other_summed", "own_excess", "other_excess"]
"""Costs that the search of `dynamic` sums for a plan, and the measured loss above dense."""


def _nats(results: Results, own: ReportedVariant, other: ReportedVariant) -> Iterator[float]:
    for variant in (own, other):
        # Costs are those of groups with its own bypass.
        alike = variant.plan.max_group_size == 1 or bypass_mode(variant) == bypass_mode(own)
        cost = summed(own.search, variant.plan) if alike and own.search else None
        yield math.nan if cost is None else cost
    dense = perplexity_value(results, DENSE)
    for variant in (own, other):
        yield math.log(perplexity_value(results, variant.name) / dense)


def bypass_modes(results: Results) -> pd.DataFrame:
    """Every plan against the same groups without bypass; ratios below 1 favour the bypass.

    Those without are listed too; groups that were measured in one mode alone are left out.
    """
    scored = [variant for variant in scored_variants(results) if variant.family == "cqil"]
    # Of several rules that chose the same groups, the first stands for them.
    plain = {v.plan.groups: v for v in reversed(scored) if bypass_mode(v) == "none"}
    rows = [
        {
            "depth": variant.plan.depth,
            "group_size": variant.plan.max_group_size,
            "bypass": bypass_mode(variant),
            "variant": variant.name,
            "without": plain[variant.plan.groups].name,
            "perplexity": perplexity(results, variant.name),
            "ratio": (
                ratio := perplexity_ratio(results, variant.name, plain[variant.plan.groups].name)
            ),
            "verdict": ratio.verdict(1),
        }
        for variant in scored
        if variant.plan.groups in plain
        if bypass_mode(variant) != "none" or variant is plain[variant.plan.groups]
    ]
    columns = ["depth", "group_size", "bypass", "variant", "without", "perplexity", "ratio"]
    frame = pd.DataFrame(rows, columns=[*columns, "verdict"])
    return frame[frame.duplicated("without", keep=False)]


def scored_variants(results: Results) -> list[ReportedVariant]:
    """Variants that have a perplexity."""
    names = set(results.perplexity["variant"])
    return [variant for variant in results.variants.values() if variant.name in names]

"""The two questions of the suite, answered by paired intervals of unhealed variants.

Does grouping beat removal at the same depth? And what does a bypass do to the same groups?
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.config.sections import REFERENCE
from cqil.selection.dynamic import summed
from reports.data.labels import bypass_mode
from reports.data.results import ReportedVariant, Results
from reports.estimates.quality import (
    accuracy_difference,
    perplexity,
    perplexity_ratio,
    perplexity_value,
)

REMOVAL_COLUMNS = ["depth", "grouped", "removal", "ratio", "verdict"]
PAIR_COLUMNS = [*REMOVAL_COLUMNS, "accuracy_difference", "is_best", "is_random"]
RANDOM = "random"
"""The method that removes layers by chance."""
SEARCHED_METHODS = ("uniform", "dynamic")
RIVALS: dict[str, Callable[[ReportedVariant], bool]] = {
    "best uniform rule": lambda v: v.method == "uniform" and bypass_mode(v) == "none",
    "best other grouping rule": lambda v: v.family == "cqil" and v.method not in SEARCHED_METHODS,
    "best removal rule": lambda v: v.family == "removal",
}
"""What a plan that was searched for is compared with -> which variants belong to it."""
LOSS_COLUMNS = ["variant_summed", "other_summed", "variant_excess", "other_excess"]
"""Costs that the search of `dynamic` sums for a plan, and the measured loss above dense."""


def scored_unhealed(results: Results) -> list[ReportedVariant]:
    """Unhealed variants that have a perplexity."""
    names = set(results.perplexity["variant"])
    return [variant for variant in results.unhealed if variant.name in names]


def removal_at_same_depth(results: Results) -> pd.DataFrame:
    """Every removal against every plain grouped plan of its depth; ratios above 1 favour groups."""
    scored = scored_unhealed(results)
    rows = [
        _removal_row(results, grouped.plan.depth, grouped.name, removal.name)
        for grouped in scored
        for removal in scored
        if is_plain_group(grouped) and removal.family == "removal"
        if removal.plan.depth == grouped.plan.depth
    ]
    return pd.DataFrame(rows, columns=REMOVAL_COLUMNS)


def removal_pairs(results: Results) -> pd.DataFrame:
    """Every removal against every set of groups of its depth, with the bypass that loses least.

    Ratios above 1 and differences above 0, in points, favour groups. `is_best` marks the best of
    both at a depth, random removal aside; the bypass and they are picked on the compared windows.
    """
    scored = scored_unhealed(results)
    grouped_by_depth = _better_bypasses(results, scored)
    rows = []
    for depth, grouped in sorted(grouped_by_depth.items(), reverse=True):
        removal = [v for v in scored if v.family == "removal" and v.plan.depth == depth]
        rules = [v.name for v in removal if v.method != RANDOM]
        best = (_best(results, grouped), _best(results, rules)) if rules else None
        for groups in grouped:
            for other in removal:
                row = _removal_row(results, depth, groups, other.name)
                row["accuracy_difference"] = accuracy_difference(results, groups, other.name)
                row["is_best"] = (groups, other.name) == best
                row["is_random"] = other.method == RANDOM
                rows.append(row)
    return pd.DataFrame(rows, columns=PAIR_COLUMNS).astype({"is_best": bool, "is_random": bool})


def _better_bypasses(results: Results, scored: list[ReportedVariant]) -> dict[float, list[str]]:
    """Depth -> for each set of groups the variant with the lowest perplexity."""
    by_groups: dict[float, dict[Any, list[str]]] = {}
    for variant in scored:
        if variant.family == "cqil":
            of_depth = by_groups.setdefault(variant.plan.depth, {})
            of_depth.setdefault(variant.plan.groups, []).append(variant.name)
    return {
        depth: [_best(results, names) for names in of_depth.values()]
        for depth, of_depth in by_groups.items()
    }


def _removal_row(results: Results, depth: float, grouped: str, removal: str) -> dict[str, Any]:
    ratio = perplexity_ratio(results, removal, grouped)
    names = {"depth": depth, "grouped": grouped, "removal": removal}
    return names | {"ratio": ratio, "verdict": ratio.verdict(1)}


def is_plain_group(variant: ReportedVariant) -> bool:
    """Whether it runs groups without a bypass."""
    return variant.family == "cqil" and bypass_mode(variant) == "none"


def _best(results: Results, variants: list[str]) -> str:
    return min(variants, key=lambda name: perplexity_value(results, name))


def searched_against_others(results: Results) -> pd.DataFrame:
    """`dynamic` against the best of each kind at its depth; ratios above 1 favour `dynamic`.

    Beside what was measured stands what the search predicted: in nats, of both plans, NaN where it
    is not known.
    """
    scored = scored_unhealed(results)
    rows: list[tuple[object, ...]] = []
    for variant in scored:
        if variant.method != "dynamic":
            continue
        of_depth = [v for v in scored if v.plan.depth == variant.plan.depth]
        for kind, is_rival in RIVALS.items():
            rivals = [rival.name for rival in of_depth if is_rival(rival)]
            if not rivals:
                continue
            other = _best(results, rivals)
            ratio = perplexity_ratio(results, other, variant.name)
            losses = _losses(results, variant, results.variants[other])
            compared = (variant.plan.depth, variant.name, kind, other)
            rows.append((*compared, ratio, ratio.verdict(1), *losses))
    columns = ["depth", "variant", "kind", "other", "ratio", "verdict", *LOSS_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


def _losses(
    results: Results, searched: ReportedVariant, other: ReportedVariant
) -> tuple[float, ...]:
    """Nats in the order of LOSS_COLUMNS."""
    dense = perplexity_value(results, REFERENCE)
    plans = (searched, other)
    return (
        *(_summed_cost(searched, variant) for variant in plans),
        *(math.log(perplexity_value(results, variant.name) / dense) for variant in plans),
    )


def _summed_cost(searched: ReportedVariant, variant: ReportedVariant) -> float:
    """What the search sums for a variant's plan; NaN where its costs do not apply."""
    # The search measured groups with the bypass of its own plan.
    applies = variant.plan.max_group_size == 1 or bypass_mode(variant) == bypass_mode(searched)
    cost = summed(searched.search, variant.plan) if applies and searched.search else None
    return math.nan if cost is None else cost


def bypass_modes(results: Results) -> pd.DataFrame:
    """Every plan against the same groups without bypass; ratios below 1 favour the bypass.

    Plans without bypass are listed too; groups that were measured in one mode only are left out.
    """
    scored = [variant for variant in scored_unhealed(results) if variant.family == "cqil"]
    # Of several rules that chose the same groups, the first stands for them.
    plain = {v.plan.groups: v.name for v in reversed(scored) if bypass_mode(v) == "none"}
    rows = []
    for variant in scored:
        without = plain.get(variant.plan.groups)
        if without is None or (bypass_mode(variant) == "none" and variant.name != without):
            continue
        ratio = perplexity_ratio(results, variant.name, without)
        rows.append(
            {
                "depth": variant.plan.depth,
                "group_size": variant.plan.max_group_size,
                "bypass": bypass_mode(variant),
                "variant": variant.name,
                "without": without,
                "perplexity": perplexity(results, variant.name),
                "ratio": ratio,
                "verdict": ratio.verdict(1),
            }
        )
    columns = ["depth", "group_size", "bypass", "variant", "without", "perplexity", "ratio"]
    frame = pd.DataFrame(rows, columns=[*columns, "verdict"])
    return frame[frame.duplicated("without", keep=False)]

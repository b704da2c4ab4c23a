"""Healed variants against one another: grouping against removal, and one way against another.

Perplexities are over all texts and paired over windows, accuracies are paired over documents.
"""

from __future__ import annotations

import json
from itertools import combinations

import pandas as pd

from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.data.healing import HealedHere, total_tokens
from reports.data.labels import healing_way
from reports.data.results import ReportedVariant, Results
from reports.estimates.comparisons import is_plain_group
from reports.estimates.quality import accuracy_difference, perplexity_ratio
from reports.estimates.recovery import same_plan, twin_of

PAIR_COLUMNS = ["ratio", "verdict", "accuracy_difference"]


def healed_removal_at_same_depth(results: Results) -> pd.DataFrame:
    """Healed removal against plain groups of its depth that were healed by the same recipe.

    Ratios above 1 and differences above 0 favour groups; `ratio_before` is of the unhealed twins.
    """
    scored = _scored_healed(results)
    rows = [
        (
            grouped.plan.depth,
            healing_way(grouped.healing),
            total_tokens(grouped.healing),
            grouped.name,
            removal.name,
            _ratio_before(results, removal, grouped),
            *_compared(results, removal.name, grouped.name),
        )
        for grouped in scored
        for removal in scored
        if is_plain_group(grouped) and removal.family == "removal"
        if removal.plan.depth == grouped.plan.depth
        if _recipe(results, grouped) == _recipe(results, removal)
    ]
    columns = ["depth", "how", "tokens", "grouped", "removal", "ratio_before", *PAIR_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


def ways_at_equal_plan(results: Results) -> pd.DataFrame:
    """Every two healed variants of one plan; ratios above 1 and differences above 0 favour the
    first."""
    rows = [
        (
            first.plan.depth,
            first.plan.slug,
            first.name,
            second.name,
            *_compared(results, second.name, first.name),
        )
        for first, second in combinations(_scored_healed(results), 2)
        if same_plan(first, second)
    ]
    columns = ["depth", "plan", "first", "second", *PAIR_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


def _scored_healed(results: Results) -> list[ReportedVariant]:
    return [variant for variant in results.healed if variant.name in results.windows]


def _compared(results: Results, other: str, favoured: str) -> tuple[Estimate, str, Estimate]:
    """In the order of PAIR_COLUMNS."""
    ratio = perplexity_ratio(results, other, favoured)
    return ratio, ratio.verdict(1), accuracy_difference(results, favoured, other)


def _ratio_before(results: Results, removal: ReportedVariant, grouped: ReportedVariant) -> Estimate:
    twins = [twin_of(results, variant) for variant in (removal, grouped)]
    names = [twin.name for twin in twins if twin is not None and twin.name in results.windows]
    return perplexity_ratio(results, *names) if len(names) == len(twins) else NO_ESTIMATE


def _recipe(results: Results, variant: ReportedVariant) -> str:
    """What two variants share that were healed the same way: options, and tokens that were read."""
    options = results.config["variants"][variant.name].get("healed")
    read = [
        (step.method, step.tokens if isinstance(step, HealedHere) else step.source)
        for step in variant.healing
    ]
    return json.dumps([options, read], sort_keys=True)

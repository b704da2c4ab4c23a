"""The two questions of the suite, answered by paired intervals.

Does grouping beat removal at the same depth? And what does a bypass do to the same groups?
"""

from __future__ import annotations

import pandas as pd

from reports.load import Results, Variant
from reports.measures import perplexity, perplexity_ratio
from reports.style import bypass_mode


def removal_at_same_depth(results: Results) -> pd.DataFrame:
    """Every removal against every plain grouped plan of its depth; ratios above 1 favour groups."""
    scored = _scored(results)
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


def bypass_modes(results: Results) -> pd.DataFrame:
    """Every plan against the same groups without bypass; ratios below 1 favour the bypass.

    Those without are listed too; groups that were measured in one mode alone are left out.
    """
    scored = [variant for variant in _scored(results) if variant.family == "cqil"]
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


def _scored(results: Results) -> list[Variant]:
    """Variants that have a perplexity."""
    names = set(results.perplexity["variant"])
    return [variant for variant in results.variants.values() if variant.name in names]

"""Variants of one rule at several depths, as one curve."""

from __future__ import annotations

from collections import defaultdict

from reports.data.labels import FAMILIES
from reports.data.results import ReportedVariant, Results

Curves = dict[str, dict[float, str]]
"""Rule -> depth -> variant."""
DEPTH_OPTIONS = {"method", "depth", "speedup", "threshold", "seed", "start", "end"}
"""Options that set the depth, or the place by chance, and not the rule."""


def rule_of(variant: ReportedVariant) -> str:
    """`uniform p=2`, `shortened taylor`: the method and those options that are not its depth."""
    words = [variant.method]
    for name, value in variant.options.items():
        if name not in DEPTH_OPTIONS:
            words.append(f"p={value}" if name == "group_size" else str(value))
    return " ".join(words)


def rule_curves(results: Results) -> dict[str, Curves]:
    """Family -> its rules that were measured at two depths or more, all unhealed.

    Of variants that differ in the seed alone, the first one stands on the curve.
    """
    curves: dict[str, Curves] = defaultdict(lambda: defaultdict(dict))
    for variant in results.unhealed:
        if variant.family != "dense":
            curves[variant.family][rule_of(variant)].setdefault(variant.depth, variant.name)
    drawn = {
        family: {rule: by_depth for rule, by_depth in rules.items() if len(by_depth) > 1}
        for family, rules in curves.items()
    }
    families = [*FAMILIES, *(family for family in drawn if family not in FAMILIES)]
    return {family: drawn[family] for family in families if drawn.get(family)}

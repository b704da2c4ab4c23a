"""Variants of one rule at several depths, as one curve."""

from __future__ import annotations

from collections import defaultdict

from reports.data.labels import FAMILIES
from reports.data.results_folder import ReportedVariant, Results

Curves = dict[str, dict[float, str]]
"""Rule -> depth -> variant."""


DEPTHS = {"method", "depth", "speedup", "threshold", "seed", "start", "end"}
"""Options that say how deep, or where by chance, and not which rule."""


def rule_of(variant: ReportedVariant) -> str:
    """`uniform p=2`, `shortened taylor`: the method and those options that are not its depth."""
    said = [variant.method]
    for name, value in variant.options.items():
        if name not in DEPTHS:
            said.append(f"p={value}" if name == "group_size" else str(value))
    return " ".join(said)


def rule_curves(results: Results) -> dict[str, Curves]:
    """Family -> its rules that were measured at two depths or more; of equals the first seed."""
    found: dict[str, Curves] = defaultdict(lambda: defaultdict(dict))
    for variant in results.variants.values():
        if variant.family != "dense":
            found[variant.family][rule_of(variant)].setdefault(variant.depth, variant.name)
    kept = {
        family: {rule: names for rule, names in rules.items() if len(names) > 1}
        for family, rules in found.items()
    }
    return {family: kept[family] for family in FAMILIES if kept.get(family)}

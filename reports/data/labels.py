"""Names of families, bypasses and ways to heal as readers see them."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data.healing import HealingStep
from reports.data.results import ReportedVariant

FAMILIES = {
    "dense": "Dense",
    "cqil": "CQIL",
    "reordering": "Reordering",
    "removal": "Removal",
    "skipping": "Skipping",
    "given": "Given plan",
}
WAYS = {"refit": "refit", "lora": "LoRA", "full": "full training", "adapter": "adapter of others"}
"""Method of a healing step -> its name."""
NO_ACCURACY = "no accuracy"
"""Stands beside the time of a variant whose quality was not measured."""


def family_name(family: str) -> str:
    """The family for readers; families of methods outside of this project keep their names."""
    return FAMILIES.get(family, family)


def bypass_mode(variant: ReportedVariant) -> str:
    """none, ffn, ffn+residual, two-way or mean; a distance above one is named."""
    plan = variant.plan
    if plan.bypass_target in ("two-way", "mean"):
        return plan.bypass_target
    if plan.bypass == 0:
        return "none"
    return plan.bypass_target + (f" d={plan.bypass}" if plan.bypass > 1 else "")


def healing_way(steps: Sequence[HealingStep]) -> str:
    """`refit, then LoRA`"""
    return ", then ".join(WAYS[step.method] for step in steps)

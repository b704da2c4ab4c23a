"""Which stages a plan changed, and what each stands for in the dense model. Imports no torch."""

from __future__ import annotations

from cqil.healing.refit_options import Scope
from cqil.plan import LayerPlan
from cqil.plan.stages import layer_of


def check_refittable(plan: LayerPlan) -> None:
    """Raises ValueError for plans that no closed form heals."""
    if plan.prefill is not None:
        raise ValueError(
            "healed: refit changes weights for prompt and generated tokens alike, but the plan "
            "skips layers for the latter alone; use lora"
        )
    if plan.ladder is not None:
        raise ValueError("healed: refit knows no ladder; use lora")


def depths_behind(plan: LayerPlan) -> list[int]:
    """By stage: how many dense layers its output stands for, those removed behind it included."""
    return [*(min(map(layer_of, stage)) for stage in plan.groups[1:]), plan.num_layers]


def changed_stages(plan: LayerPlan) -> set[int]:
    """Stages with a group, or before removed layers."""
    before = [0, *depths_behind(plan)]
    return {
        number
        for number, stage in enumerate(plan.groups)
        if stage != tuple(range(before[number], before[number + 1])) or len(stage) > 1
    }


def stages_in_scope(plan: LayerPlan, scope: Scope) -> set[int]:
    """Those that are refitted: the changed ones, or all from the first of them on."""
    changed = changed_stages(plan)
    if scope == "changed" or not changed:
        return changed
    return set(range(min(changed), len(plan.groups)))

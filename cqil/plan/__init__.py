"""Plans: which layers run, in which order, and which share one input. Imports no torch."""

from cqil.plan.layer_plan import (
    BypassTarget,
    LayerPlan,
    dense_plan,
    kept_layers_plan,
    uniform_plan,
)

__all__ = ["BypassTarget", "LayerPlan", "dense_plan", "kept_layers_plan", "uniform_plan"]

"""Layer plans, their selection, and the models that run them. Public names import lazily."""

from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

__all__ = ["LayerPlan", "dense_plan", "kept_layers_plan", "uniform_plan"]
__version__ = "0.1.0"

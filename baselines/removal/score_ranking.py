"""Removal by a score of each layer: the layers of least score go at once."""

import numpy as np
from pydantic import BaseModel, Field

from cqil.methods.options import check_depth
from cqil.plan import LayerPlan, kept_layers_plan


class ProtectedEnds(BaseModel):
    """Options of rules that leave the ends of the stack alone, as Shortened LLaMA's code does."""

    protect_first: int = Field(default=4, ge=0, description="Layers at the bottom that stay")
    protect_last: int = Field(default=2, ge=0, description="Layers at the top that stay")


def remove_least(score_L: np.ndarray, depth: int, first: int = 0, last: int = 0) -> LayerPlan:
    """Keeps the `depth` layers of highest score; of equal scores the lower layer stays.

    The `first` and `last` layers stay whatever their score; ValueError where `depth` is too small.
    """
    num_layers = len(score_L)
    check_reach(depth, num_layers, first + last)
    # A score that overflowed is no reason to delete the layer.
    score_L = np.where(np.isnan(score_L), np.inf, score_L)
    protected_L = np.zeros(num_layers, dtype=bool)
    protected_L[:first] = protected_L[num_layers - last :] = True
    order = np.argsort(np.where(protected_L, -np.inf, -score_L), kind="stable")
    return kept_layers_plan(num_layers, [int(layer) for layer in order[:depth]])


def check_reach(depth: int, num_layers: int, protected: int) -> None:
    """Raises ValueError unless `depth` leaves something to remove and the protected layers in."""
    check_depth(depth, num_layers)
    if depth < protected:
        raise ValueError(
            f"depth: {depth} is out of reach, since {protected} of {num_layers} layers are "
            "protected; raise it or protect fewer"
        )

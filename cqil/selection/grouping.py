"""Options that all grouping rules share (depth, speed-up, bypass), and the merging of stages.

It holds no method, so the registry ignores it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

from pydantic import BaseModel, Field, model_validator

from cqil.methods.options import (
    Depth,
    check_depth,
    check_layer_options,
    check_one_given,
    exact_ratio,
)
from cqil.plan import BypassTarget, LayerPlan

Runs = tuple[tuple[int, ...], ...]
"""Stages of whole, consecutive layers."""


class Grouping(BaseModel):
    """Options of every rule that gives neighbouring layers the same input."""

    instead_of_depth: ClassVar[tuple[str, ...]] = ()
    """Options that determine the depth in place of `depth` and `speedup`."""

    group_size: int = Field(default=4, ge=2, description="Most layers that share one input")
    depth: Depth | None = Field(default=None, description="Stages left")
    speedup: float | None = Field(
        default=None,
        gt=1,
        allow_inf_nan=False,
        description="Instead of depth: floor(layers / speedup) stages are left",
    )
    bypass: int = Field(default=0, ge=0, description="d, distance of the attention bypass")
    bypass_target: BypassTarget = Field(default="ffn", description="Where the bypass goes")

    @model_validator(mode="after")
    def _one_target(self) -> Grouping:
        check_one_given(self, ("depth", "speedup", *self.instead_of_depth))
        return self

    def target_depth(self, num_layers: int, group_size: int | None = None) -> int:
        """Raises ValueError where groups (of the option's size) cannot reach the depth."""
        size = group_size or self.group_size
        if self.depth is not None:
            check_reachable(self.depth, num_layers, size)
            return self.depth
        assert self.speedup is not None
        depth = math.floor(num_layers / exact_ratio(self.speedup))
        try:
            check_reachable(depth, num_layers, size)
        except ValueError as error:
            raise ValueError(f"speedup: {self.speedup:g} is too much; {error}") from None
        return depth

    def check_layers(self, num_layers: int) -> None:
        """Raises ValueError where groups cannot bring a model of so many layers to the depth."""
        if self.depth is not None or self.speedup is not None:
            self.target_depth(num_layers)
        check_layer_options(self, num_layers)

    @property
    def target_key(self) -> str:
        """Depth or speed-up in the name of a search."""
        return f"X{self.speedup}" if self.depth is None else f"G{self.depth}"

    @property
    def bypass_key(self) -> str:
        """The bypass in the name of a search; equal computations have one name."""
        if self.bypass_target in ("two-way", "mean"):
            return self.bypass_target
        residual = "-residual" if self.bypass and self.bypass_target == "ffn+residual" else ""
        return f"D{self.bypass}{residual}"

    def grouped(self, num_layers: int, stages: Sequence[Sequence[int]]) -> LayerPlan:
        """The plan of these stages with the options' bypass."""
        return LayerPlan(
            num_layers=num_layers,
            groups=tuple(map(tuple, stages)),
            bypass=self.bypass,
            bypass_target=self.bypass_target,
        )


def check_reachable(depth: int, num_layers: int, group_size: int) -> None:
    """Raises ValueError unless groups of at most `group_size` bring the layers to `depth`."""
    check_depth(depth, num_layers)
    min_depth = -(-num_layers // group_size)
    if depth < min_depth:
        raise ValueError(
            f"depth: {depth} is out of reach with group_size {group_size}; {num_layers} layers "
            f"give at least {min_depth}"
        )


def mergeable(stages: Runs, group_size: int, depth: int) -> list[int]:
    """Places k where stages k and k+1 may merge, so that `depth` stays in reach afterwards.

    Close to the least depth a merge can leave a neighbour without a partner; such are left out.
    """
    fits = [k for k in range(len(stages) - 1) if len(stages[k] + stages[k + 1]) <= group_size]
    return [k for k in fits if _fewest_after_merging(merged(stages, k), group_size) <= depth]


def merged(stages: Runs, k: int, count: int = 2) -> Runs:
    """The `count` stages from k on become one."""
    return (*stages[:k], tuple(chain(*stages[k : k + count])), *stages[k + count :])


def _fewest_after_merging(stages: Runs, group_size: int) -> int:
    """The fewest stages that merging can leave: filling each group from the first on is optimal."""
    count, room = 0, 0
    for stage in stages:
        if len(stage) > room:
            count, room = count + 1, group_size
        room -= len(stage)
    return count

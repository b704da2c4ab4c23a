"""Refit: weights of a plan's stages that come nearest to what the dense model holds there.

A stage's output is its input plus outputs of `down_proj` and `o_proj`, which are linear in their
inputs. Stage by stage, each on what those before it give, the weights of its projections change by

    min over D of  sum_t w_t | f_t D - r_t |^2 + ridge |D|^2,    w_t = 1 / mean(y_t^2)

with f the inputs of the projections side by side, y the dense stream at that depth, and r what the
stage's output still misses of it. Without w a few tokens of huge streams would own the fit. The
stage before removed layers takes their part: its y lies behind them.
Shape suffixes: B windows, T tokens of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import LlamaForCausalLM

from cqil.healing.stage_streams import Projection, StageFit, StageStreams
from cqil.plan import LayerPlan
from cqil.plan.stages import layer_of

Scope = Literal["changed", "after"]


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """What is refitted, and how."""

    projections: tuple[Projection, ...] = ("o_proj", "down_proj")
    """Solved for together in each stage."""
    scope: Scope = "changed"
    """`changed`: stages with a group or before removed layers; `after`: all from the first on."""
    ridges: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    """What is tried, as shares of the mean diagonal of the Gram matrix."""
    held_out: float = 0.125
    """Share of the windows that choose the ridge."""
    batch: int = 8
    """Windows that run at once."""


def refit(
    dense: LlamaForCausalLM,
    plan: LayerPlan,
    tokens_BT: torch.Tensor,
    options: RefitOptions,
    done: Callable[[StageFit], object] = lambda fit: None,
    earlier: Mapping[int, StageFit] | None = None,
) -> dict[str, torch.Tensor]:
    """Name in the dense model -> its new weight; `dense` keeps its own.

    `tokens_BT`: calibration windows, the last of which choose the ridge. `done` is told of every
    refitted stage; those in `earlier` are taken from there. Two streams of the windows and a Gram
    matrix are held. Raises ValueError for plans that weights alone cannot heal.
    """
    check_plan(plan)
    streams = StageStreams(dense, plan, tokens_BT, options.held_out, options.batch)
    weights: dict[str, torch.Tensor] = {}
    refitted = refitted_stages(plan, options.scope)
    for number, depth in enumerate(depths_behind(plan)):
        if number > max(refitted, default=-1):
            break  # nothing reads the streams behind the last refitted stage
        streams.advance_dense(depth)
        if number in refitted and streams.has(number, options.projections):
            if earlier is not None and number in earlier:
                fit = streams.take(earlier[number])
            else:
                fit = streams.fit(number, options.projections, options.ridges)
            weights |= fit.weights
            done(fit)
        streams.advance_plan(number)
    return weights


def check_plan(plan: LayerPlan) -> None:
    """Raises ValueError for plans that weights alone cannot heal."""
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


def refitted_stages(plan: LayerPlan, scope: Scope) -> set[int]:
    """Stages that are refitted."""
    before = [0, *depths_behind(plan)]
    changed = {
        number
        for number, stage in enumerate(plan.groups)
        if stage != tuple(range(before[number], before[number + 1])) or len(stage) > 1
    }
    if scope == "changed" or not changed:
        return changed
    return set(range(min(changed), len(plan.groups)))

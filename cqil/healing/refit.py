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

import torch
from transformers import LlamaForCausalLM

from cqil.healing.changed_stages import check_refittable, depths_behind, stages_in_scope
from cqil.healing.planned_weights import planned_with
from cqil.healing.refit_options import RefitOptions
from cqil.healing.stage_streams import StageFit, StageStreams
from cqil.plan import LayerPlan


def refit(
    dense: LlamaForCausalLM,
    plan: LayerPlan,
    tokens_BT: torch.Tensor,
    options: RefitOptions,
    done: Callable[[StageFit], object] = lambda fit: None,
    earlier: Mapping[int, StageFit] | None = None,
    edited: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, torch.Tensor]:
    """Name in the dense model -> its new weight; `dense` keeps its own.

    `tokens_BT`: calibration windows, the last of which choose the ridge. `done` is told of every
    refitted stage; those in `earlier` are taken from there. `edited`: weights that differ from the
    dense model's before. Two streams of the windows and a Gram
    matrix are held. Raises ValueError for plans that weights alone cannot heal.
    """
    check_refittable(plan)
    planned = planned_with(dense, plan, edited or {})
    streams = StageStreams(dense, planned, tokens_BT, options.held_out, options.batch)
    weights: dict[str, torch.Tensor] = {}
    refitted = stages_in_scope(plan, options.scope)
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

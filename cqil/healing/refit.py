"""Refit: weights of a plan's stages that come nearest to what the dense model holds there.

A stage's output is its input plus outputs of `down_proj` and `o_proj`, which are linear in their
inputs. Stage by stage, each on what those before it give, the weights of its projections change by

    min over D of  sum_t w_t | f_t D - r_t |^2 + ridge |D|^2,    w_t = 1 / mean(y_t^2)

with f the inputs of the projections side by side, y the dense stream at that depth, and r what the
stage's output still misses of it. Without w a few tokens of huge streams would own the fit. The
stage before removed layers takes their part: its y lies behind them.

Last come steps on the loss itself, by windows kept for them (`loss_steps.py`).
Shape suffixes: B windows, T tokens of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise

import torch
from transformers import LlamaForCausalLM

from cqil.healing.changed_stages import check_refittable, depths_behind, stages_in_scope
from cqil.healing.loss_steps import LossSteps
from cqil.healing.planned_weights import planned_with
from cqil.healing.refit_options import RefitOptions
from cqil.healing.stage_streams import StageFit, StageStreams
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan


def refit(
    dense: LlamaForCausalLM,
    plan: LayerPlan,
    tokens_BT: torch.Tensor,
    options: RefitOptions,
    done: Callable[[StageFit], object] = lambda fit: None,
    earlier: Mapping[int, StageFit] | None = None,
    edited: Mapping[str, torch.Tensor] | None = None,
    stepped: Callable[[bool], object] = lambda taken: None,
) -> dict[str, torch.Tensor]:
    """Name in the dense model -> its new weight; `dense` keeps its own.

    `tokens_BT`: calibration windows, the last of which choose the ridge. `done` is told of every
    refitted stage; those in `earlier` are taken from there. `edited`: weights that differ from the
    dense model's before. `stepped` is told of every step on the loss, whether it was taken. Two
    streams of the windows and a few Gram matrices are held. Raises
    ValueError for plans that weights alone cannot heal.
    """
    check_refittable(plan)
    planned = planned_with(dense, plan, edited or {})
    fitted = fitted_windows(len(tokens_BT), options)
    streams = StageStreams(dense, planned, tokens_BT[:fitted], options.held_out, options.batch)
    weights: dict[str, torch.Tensor] = {}
    refitted = stages_in_scope(plan, options.scope)
    last = max(refitted, default=-1)  # nothing reads the streams behind it
    for number, depth in enumerate(depths_behind(plan)[: last + 1]):
        streams.advance_dense(depth)
        if number in refitted and streams.has(number, options.projections):
            if earlier is not None and number in earlier:
                fit = streams.take(earlier[number])
            else:
                fit = streams.fit(number, options.projections, options.ridges)
            weights |= fit.weights
            done(fit)
        if number < min(refitted) and not edited:
            streams.follow_dense()
        elif number < last:
            streams.advance_plan(number)
    del streams
    if weights and fitted < len(tokens_BT):
        weights |= stepped_weights(dense, planned, refitted, tokens_BT[fitted:], options, stepped)
    return weights


def fitted_windows(windows: int, options: RefitOptions) -> int:
    """How many windows stages are fitted to; the others are for steps on the loss, if any."""
    others = int(windows * options.loss_share)
    return windows - others if 0 < options.loss_steps < others else windows


def stepped_weights(
    dense: LlamaForCausalLM,
    planned: PlannedLlamaForCausalLM,
    stages: Collection[int],
    tokens_BT: torch.Tensor,
    options: RefitOptions,
    stepped: Callable[[bool], object] = lambda taken: None,
) -> dict[str, torch.Tensor]:
    """The weights after steps on the loss; each reads windows of its own."""
    batch = -(-options.batch // 2)  # gradients need more memory than streams
    loss = LossSteps(dense, planned, stages, options.projections, tokens_BT, batch)
    windows, steps = len(tokens_BT), options.loss_steps
    held_out = windows - max(1, round(options.held_out * windows))
    bounds = [step * held_out // steps for step in range(steps + 1)]
    for begin, end in pairwise(bounds):
        taken = begin == end or loss.step(begin, end, held_out)
        stepped(taken)
        if not taken:
            break
    return loss.weights()

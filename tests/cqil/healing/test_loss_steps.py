"""Steps on the loss: it falls on windows not seen; gradients are those of differences."""

import pytest
import torch
from tiny_models import tiny_dense, tokens_of

from cqil import kept_layers_plan, uniform_plan
from cqil.healing import loss_steps
from cqil.healing.changed_stages import changed_stages
from cqil.healing.loss_steps import LossSteps
from cqil.healing.planned_weights import planned_with
from cqil.healing.refit import fitted_windows, refit
from cqil.healing.refit_options import RefitOptions
from cqil.healing.stage_linears import change_stage

pytestmark = pytest.mark.usefixtures("full_float64")
WINDOWS = tokens_of(24, 8)
PLANS = {
    "pairs": uniform_plan(6, 1, 5, 2, bypass=1),
    "averaged": uniform_plan(6, 1, 5, 4, target="mean"),
    "removed": kept_layers_plan(6, [0, 1, 4]),
}


def steps_of(name):
    plan, dense = PLANS[name], tiny_dense(6)
    planned, stages = planned_with(dense, plan, {}), changed_stages(plan)
    return dense, LossSteps(dense, planned, stages, ("o_proj", "down_proj"), WINDOWS, 5)


@pytest.mark.parametrize("name", PLANS)
def test_the_loss_falls_on_windows_that_no_step_has_seen(name):
    dense, steps = steps_of(name)
    before = {key: weight.clone() for key, weight in dense.state_dict().items()}
    losses = [steps.loss(16, 24)]
    for begin in (0, 8):
        assert steps.step(begin, begin + 8, 16)
        losses.append(steps.loss(16, 24))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.95 * losses[0]
    assert all(torch.equal(weight, before[key]) for key, weight in dense.state_dict().items())
    assert any(not torch.equal(weight, before[key]) for key, weight in steps.weights().items())


@pytest.mark.parametrize("name", PLANS)
def test_the_slope_is_that_of_the_loss(name):
    _, steps = steps_of(name)
    small = 1e-6
    for stage, sums in steps._sums(0, 8).items():
        direction_FH, slope = steps._direction(*sums)
        direction_FH *= small / direction_FH.norm()
        linears = steps.linears[stage]
        before = [linear.module.weight for linear in linears]
        losses = []
        for sign in (-1, 1):
            change_stage(linears, before, sign * direction_FH)
            losses.append(steps.loss(0, 8))
        change_stage(linears, before, 0 * direction_FH)
        found = (losses[1] - losses[0]) / 2
        assert found == pytest.approx(float((direction_FH * sums[0].cross_FH).sum()), rel=1e-4)
        assert slope > 0


def test_a_step_that_does_not_serve_is_not_taken(monkeypatch):
    monkeypatch.setattr(loss_steps, "LENGTHS", (1e6,))
    _, steps = steps_of("pairs")
    before = steps.weights()
    assert not steps.step(0, 8, 16)
    assert all(torch.equal(weight, before[key]) for key, weight in steps.weights().items())


def test_windows_are_kept_for_steps():
    options = RefitOptions(tokens=1, loss_steps=2, loss_share=0.75, ridges=(0.1,))
    assert fitted_windows(24, options) == 6
    assert fitted_windows(3, options) == 3  # too few
    assert fitted_windows(24, options.model_copy(update={"loss_steps": 0})) == 24
    plan, dense = PLANS["pairs"], tiny_dense(6)
    alone = refit(dense, plan, WINDOWS[:6], options.model_copy(update={"loss_steps": 0}))
    stepped = refit(dense, plan, WINDOWS, options)
    assert alone.keys() == stepped.keys()
    losses = []
    for weights in (alone, stepped):
        planned = planned_with(dense, plan, weights)
        stages = changed_stages(plan)
        losses.append(LossSteps(dense, planned, stages, ("o_proj",), WINDOWS[-1:], 5).loss(0, 1))
    assert losses[1] < losses[0]

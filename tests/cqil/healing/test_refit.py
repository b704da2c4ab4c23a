"""Refit: the solution is the direct one; nothing else changes; resumed runs are unbroken ones."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples
from tiny_models import Shape, tiny_dense, tokens_of

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.healing import least_squares
from cqil.healing.changed_stages import changed_stages, depths_behind, stages_in_scope
from cqil.healing.least_squares import TokenSums, best_ridge
from cqil.healing.refit import refit
from cqil.healing.refit_options import RefitOptions
from cqil.healing.stage_streams import StageStreams
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
WINDOWS = tokens_of(60, 12)
PLANS = {
    "pairs": uniform_plan(6, 1, 5, 2),
    "pairs, bypass": uniform_plan(6, 1, 5, 2, bypass=1),
    "released bypass": uniform_plan(6, 1, 5, 2, bypass=1, target="ffn+residual"),
    "averaged": uniform_plan(6, 1, 5, 4, target="mean"),
    "removed": kept_layers_plan(6, [0, 1, 4]),
    "halves": LayerPlan(num_layers=4, groups=[[0], ["1.attn", "1.mlp"], ["2.mlp"], [3]]),
}
DOWN = RefitOptions(tokens=1, ridges=(1e-6,), projections=("down_proj",), batch=7, loss_steps=0)


def healed(plan, weights):
    dense = tiny_dense(plan.num_layers)
    dense.load_state_dict(weights, strict=False)
    return PlannedLlamaForCausalLM.from_dense(dense, plan)


@torch.no_grad()
def missed(model, dense):
    """How far the last states of two models are apart, each token by its own size."""
    found_BTH, wanted_BTH = (m.model(WINDOWS).last_hidden_state for m in (model, dense))
    return float(((found_BTH - wanted_BTH).square().mean(-1) / wanted_BTH.square().mean(-1)).mean())


@settings(max_examples=examples(30))
@given(tokens=st.integers(1, 40), features=st.integers(1, 6), seed=st.integers(0, 99))
def test_sums_give_the_direct_solution(tokens, features, seed):
    source = torch.Generator().manual_seed(seed)
    f_NF, r_NH, w_N = (
        torch.randn(*shape, generator=source, dtype=torch.float64)
        for shape in ((tokens, features), (tokens, 3), (tokens,))
    )
    w_N, ridge = w_N.abs() + 0.1, 0.05
    sums = TokenSums.empty(features, 3, torch.device("cpu"))
    half = tokens // 2
    sums.add(f_NF[:half], r_NH[:half], w_N[:half])
    sums.add(f_NF[half:], r_NH[half:], w_N[half:])
    # Ridge regression is least squares over more rows.
    root_N1 = w_N.sqrt()[:, None]
    extra = (ridge * (w_N[:, None] * f_NF.square()).sum(0).mean()).sqrt()
    rows = torch.cat([root_N1 * f_NF, extra * torch.eye(features, dtype=torch.float64)])
    wanted = torch.cat([root_N1 * r_NH, torch.zeros(features, 3, dtype=torch.float64)])
    direct_FH = torch.linalg.lstsq(rows, wanted).solution
    found_FH = sums.solve(ridge)
    torch.testing.assert_close(found_FH, direct_FH, rtol=1e-7, atol=1e-7)
    left = (w_N[:, None] * (r_NH - f_NF @ found_FH).square()).sum()
    total = (w_N[:, None] * r_NH.square()).sum()
    assert sums.error(found_FH) == pytest.approx(float(left / total), abs=1e-7)
    assert not sums.solve(math.inf).any()


def test_sums_by_blocks_of_columns_are_those_of_all_at_once(monkeypatch):
    monkeypatch.setattr(least_squares, "COLUMNS", 2)
    source = torch.Generator().manual_seed(0)
    f_NF, r_NH = (torch.randn(9, width, generator=source, dtype=torch.float64) for width in (5, 3))
    w_N = torch.rand(9, generator=source, dtype=torch.float64)
    sums = TokenSums.empty(5, 3, torch.device("cpu"))
    sums.add(f_NF, r_NH, w_N)
    chosen_F = torch.tensor([True, False, True, True, False])
    for found, of_NF in ((sums, f_NF), (sums.of(chosen_F), f_NF[:, chosen_F])):
        plain_FF = of_NF.T @ (w_N[:, None] * of_NF)
        torch.testing.assert_close(found.gram_FF.tril(), plain_FF.tril(), rtol=0, atol=1e-12)
        solution_FH = found.solve(0.1)
        left = (w_N[:, None] * (r_NH - of_NF @ solution_FH).square()).sum()
        total = (w_N[:, None] * r_NH.square()).sum()
        assert found.error(solution_FH) == pytest.approx(float(left / total), abs=1e-12)


def test_the_ridge_that_serves_unseen_tokens_is_chosen():
    source = torch.Generator().manual_seed(0)
    fitted, held_out = (TokenSums.empty(4, 2, torch.device("cpu")) for _ in range(2))
    noise = torch.randn(5, 4, generator=source), torch.randn(5, 2, generator=source)
    fitted.add(*noise, torch.ones(5))
    held_out.add(torch.randn(50, 4, generator=source), torch.randn(50, 2), torch.ones(50))
    assert best_ridge(fitted, held_out, (1e-6, 1.0)) == math.inf
    assert best_ridge(fitted, fitted, (1e-6, 1.0)) == 1e-6


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("scope", ["changed", "after"])
@pytest.mark.parametrize("projections", [("down_proj",), ("o_proj", "down_proj")])
def test_healed_plans_come_nearer_to_dense(name, scope, projections):
    plan, dense = PLANS[name], tiny_dense(PLANS[name].num_layers)
    before = {key: weight.clone() for key, weight in dense.state_dict().items()}
    options = RefitOptions(
        tokens=1, ridges=(1e-4, 1e-2, 1.0), projections=projections, scope=scope, batch=7
    )
    weights = refit(dense, plan, WINDOWS, options)
    assert all(torch.equal(weight, before[key]) for key, weight in dense.state_dict().items())
    assert weights
    ends = tuple(f"{projection}.weight" for projection in projections)
    assert all(key.endswith(ends) for key in weights)
    assert all(weight.shape == before[key].shape for key, weight in weights.items())
    assert missed(healed(plan, weights), dense) < missed(healed(plan, {}), dense)


def test_stages_of_one_layer_solve_what_they_miss_directly():
    """A removed layer's part, by the layer before it, against a plain least-squares solve."""
    plan, dense = kept_layers_plan(3, [0, 2]), tiny_dense(3)
    weights = refit(dense, plan, WINDOWS, DOWN)
    seen = {}
    mlp = dense.model.layers[0].mlp.down_proj
    handle = mlp.register_forward_pre_hook(lambda _, args: seen.update(f=args[0]))
    with torch.no_grad():
        states = dense.model(WINDOWS, output_hidden_states=True).hidden_states
    handle.remove()
    f_NF, y_NH = seen["f"].flatten(0, 1), states[2].flatten(0, 1)
    r_NH, root_N1 = y_NH - states[1].flatten(0, 1), y_NH.square().mean(-1, keepdim=True).rsqrt()
    direct_FH = torch.linalg.lstsq(root_N1 * f_NF, root_N1 * r_NH).solution
    expected = mlp.weight + direct_FH.T
    (found,) = weights.values()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_the_dense_stream_serves_until_the_plan_differs(monkeypatch):
    """With any edited weight, here an unchanged one, the plan's own layers run instead."""
    plan, dense, followed = PLANS["removed"], tiny_dense(6), []
    follow = StageStreams.follow_dense
    monkeypatch.setattr(
        StageStreams, "follow_dense", lambda streams: (followed.append(1), follow(streams))
    )
    name = "model.layers.0.mlp.down_proj.weight"
    ran = refit(dense, plan, WINDOWS, DOWN, edited={name: dense.state_dict()[name]})
    assert not followed
    weights = refit(dense, plan, WINDOWS, DOWN)
    assert followed == [1] * min(changed_stages(plan))
    assert ran.keys() == weights.keys()
    assert all(torch.equal(weight, ran[key]) for key, weight in weights.items())


@pytest.mark.parametrize("name", ["pairs", "averaged"])
def test_an_exact_solution_leaves_a_second_refit_nothing(name):
    """The first stage of a plan, for those behind it see another stream the second time."""
    plan, fits = PLANS[name], []
    first = refit(tiny_dense(6), plan, WINDOWS, DOWN, fits.append)
    refit(tiny_dense(6), plan, WINDOWS, DOWN, fits.append, edited=first)
    once, twice = (fit for fit in fits if fit.stage == min(changed_stages(plan)))
    assert once.left < 0.9
    assert twice.left > 0.999


def test_an_infinite_ridge_changes_nothing():
    options = RefitOptions(tokens=1, ridges=(), loss_steps=0)
    dense = tiny_dense(6)
    for key, weight in refit(dense, PLANS["pairs"], WINDOWS, options).items():
        assert torch.equal(weight, dense.state_dict()[key])


def test_an_edited_plan_is_refitted_from_there():
    """Towards the dense model as it is, and only what is not right yet changes."""
    plan, dense = PLANS["pairs"], tiny_dense(6)
    name = "model.layers.2.mlp.down_proj.weight"
    edited = {name: 1.5 * dense.state_dict()[name]}
    weights = refit(dense, plan, WINDOWS, DOWN, edited=edited)
    worse = missed(healed(plan, edited), dense)
    assert missed(healed(plan, edited | weights), dense) < worse
    kept = RefitOptions(tokens=1, ridges=(), loss_steps=0)
    assert torch.equal(refit(dense, plan, WINDOWS, kept, edited=edited)[name], edited[name])


def test_a_dense_plan_has_nothing_to_heal():
    assert refit(tiny_dense(3), dense_plan(3), WINDOWS, DOWN) == {}


@pytest.mark.parametrize("projections", [("o_proj", "down_proj"), ("down_proj",)])
def test_a_resumed_run_is_the_unbroken_one(projections):
    plan, fits = PLANS["removed"], {}
    options = RefitOptions(tokens=1, ridges=(1e-4,), scope="after", projections=projections)

    def keep(fit):
        fits[fit.stage] = fit

    unbroken = refit(tiny_dense(6), plan, WINDOWS, options, keep)
    assert len(fits) == 2
    first = {stage: fit for stage, fit in fits.items() if stage == min(fits)}
    resumed = refit(tiny_dense(6), plan, WINDOWS, options, earlier=first)
    assert resumed.keys() == unbroken.keys()
    for key, weight in resumed.items():
        torch.testing.assert_close(weight, unbroken[key], rtol=0, atol=1e-12)


def test_which_stages_are_refitted():
    assert depths_behind(PLANS["removed"]) == [1, 4, 6]
    assert stages_in_scope(PLANS["removed"], "changed") == {1, 2}
    assert stages_in_scope(PLANS["pairs"], "changed") == {1, 2}
    assert stages_in_scope(PLANS["pairs"], "after") == {1, 2, 3}


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (kept_layers_plan(4, [0, 3], prompt_dense=True), "skips layers for the latter alone"),
        (LayerPlan(num_layers=3, groups=[[0], [1], [2]], ladder=(0, 2)), "knows no ladder"),
    ],
)
def test_plans_that_weights_cannot_heal_are_refused(plan, line):
    with pytest.raises(ValueError, match=rf"\Ahealed: [^\n]*{line}[^\n]*use lora\Z"):
        refit(tiny_dense(plan.num_layers), plan, WINDOWS, DOWN)


def test_tied_and_biased_models_are_healed():
    plan, shape = PLANS["pairs"], Shape(tied=True, attention_bias=True, mlp_bias=True)
    weights = refit(tiny_dense(6, shape), plan, WINDOWS, DOWN)
    assert len(weights) == 4

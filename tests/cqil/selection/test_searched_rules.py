"""Rules that ask the workbench: dependency, greedy merging, and dynamic programming."""

import itertools
import math

import numpy as np
import pytest
from fake_evaluator import FakeEvaluator, run
from hypothesis import given, settings
from hypothesis import strategies as st

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.selection.dependency import Dependency
from cqil.selection.dynamic import Dynamic, cheapest, summed
from cqil.selection.greedy import Greedy

LOW = 9.0
"""Below the diagonal, where nothing must be read."""


def dependent(num_layers, pairs):
    matrix = np.where(np.tri(num_layers, dtype=bool), LOW, 0.5)
    for pair, value in pairs.items():
        matrix[pair] = value
    return FakeEvaluator(num_layers, dependency=matrix)


WINDOWS = {
    # 0 to 2: sum 0.5, but 0.4 at the most
    (0, 1): 0.0,
    (0, 2): 0.4,
    # 1 to 3: 0.3 at the most, sum 0.6
    (1, 2): 0.1,
    (1, 3): 0.3,
    (2, 3): 0.2,
    # 2 to 4: 0.3 at the most, sum 0.7
    (2, 4): 0.3,
    (3, 4): 0.2,
}


@pytest.mark.parametrize(
    ("depth", "groups"),
    [
        (5, ((0, 1), (2,), (3,), (4,), (5,))),  # one layer joins another: a window of two
        (4, ((0,), (1, 2, 3), (4,), (5,))),  # the least maximum, and of equals the lesser sum
        (3, ((0,), (1, 2, 3), (4, 5))),  # no overlap; what is missing is a window of two
        (2, ((0, 1, 2), (3, 4, 5))),  # (1, 2, 3) would put the depth out of reach
    ],
)
def test_dependency_takes_windows_of_least_maximum(depth, groups):
    evaluator = dependent(6, WINDOWS)
    assert run(Dependency(group_size=3, depth=depth), evaluator).groups == groups
    assert evaluator.asked == ["dependency"]


def test_dependency_windows_shrink_where_no_full_one_is_left():
    """(2, 3, 4) leaves pairs of free layers on both sides: depth 4 and 3 take those."""
    pairs = {(2, 3): 0, (2, 4): 0, (3, 4): 0, (5, 6): 0.1}
    found = [run(Dependency(group_size=3, depth=d), dependent(7, pairs)).groups for d in (5, 4, 3)]
    assert found == [
        ((0,), (1,), (2, 3, 4), (5,), (6,)),
        ((0,), (1,), (2, 3, 4), (5, 6)),
        ((0, 1), (2, 3, 4), (5, 6)),
    ]


FOUR = {
    ((0, 1), (2,), (3,)): 0.3,
    ((0,), (1, 2), (3,)): 0.2,
    ((0,), (1,), (2, 3)): 0.1,
    ((0, 1), (2, 3)): 5.0,  # either merge alone is cheap; both are not
    ((0,), (1, 2, 3)): 0.9,
    ((0, 1, 2), (3,)): 0.8,
    # one layer left out
    ((1,), (2,), (3,)): 0.05,
    ((0,), (2,), (3,)): 1.0,
    ((0,), (1,), (3,)): 1.0,
    ((0,), (1,), (2,)): 1.0,
}


def four():
    return FakeEvaluator(4, lambda plan: FOUR[plan.groups])


def test_greedy_judges_the_second_merge_on_the_model_with_the_first():
    evaluator = four()
    method = Greedy(depth=2, bypass=1, bypass_target="ffn+residual")
    plan = run(method, evaluator)
    assert plan.groups == ((0,), (1, 2, 3))
    assert [asked.groups for asked in evaluator.asked] == list(FOUR)[:5]
    assert {(p.bypass, p.bypass_target) for p in [plan, *evaluator.asked]} == {(1, "ffn+residual")}
    assert method.search(four())["path"] == [
        {"merged": [2, 3], "divergence": 0.1},
        {"merged": [1, 2, 3], "divergence": 0.9},
    ]


def test_greedy_merges_within_the_size_and_never_out_of_reach():
    def middle(depth):
        evaluator = FakeEvaluator(4, lambda plan: 0.0 if (1, 2) in plan.groups else 1.0)
        return run(Greedy(depth=depth, group_size=2), evaluator).groups

    assert run(Greedy(depth=2, group_size=2), four()).groups == ((0, 1), (2, 3))
    assert middle(3) == ((0,), (1, 2), (3,))
    assert middle(2) == ((0, 1), (2, 3))  # the middle pair would leave both ends alone


@pytest.mark.parametrize("depth", [7, 5, 4])
def test_greedy_to_less_depth_asks_again_what_it_asked_for_more(depth):
    """So that stored answers serve; here four layers a group keep all these depths in reach."""

    def search(depth):
        evaluator = FakeEvaluator(
            10, lambda plan: sum(37 * s[0] % 11 / len(s) for s in plan.groups)
        )
        return evaluator, Greedy(depth=depth).search(evaluator)["path"]

    (shallow, path), (deep, start) = search(depth), search(8)
    assert path[: len(start)] == start
    assert len(path) == 10 - depth
    assert shallow.asked[: len(deep.asked)] == deep.asked


def test_dynamic_adds_up_costs_that_were_measured_one_by_one():
    evaluator = four()
    assert run(Dynamic(depth=2, group_size=3, drop=False), evaluator).groups == ((0, 1), (2, 3))
    assert ((0, 1), (2, 3)) not in [asked.groups for asked in evaluator.asked]
    assert len(evaluator.asked) == evaluator.expected == 3 + 2


def test_dynamic_leaves_layers_out_where_that_is_cheaper():
    evaluator = four()
    found = Dynamic(depth=2, group_size=3).search(evaluator)
    assert found == {"grouped": [[0.3, 0.2, 0.1], [0.8, 0.9]], "dropped": [0.05, 1.0, 1.0, 1.0]}
    assert len(evaluator.asked) == evaluator.expected == 3 + 2 + 4
    by_depth = [run(Dynamic(depth=d, group_size=3), four()).groups for d in (3, 2, 1)]
    # 0.05; 0.05 + 0.1; and with 0 left out, 1 to 3 in one stage: 0.05 + 0.9
    assert by_depth == [((1,), (2,), (3,)), ((1,), (2, 3)), ((1, 2, 3),)]


def test_dynamic_measures_groups_under_the_bypass_and_drops_without():
    evaluator = FakeEvaluator(3, lambda plan: 0.0)
    Dynamic(depth=2, group_size=2, bypass_target="two-way").search(evaluator)
    pairs = [
        LayerPlan(num_layers=3, groups=g, bypass_target="two-way")
        for g in (((0, 1), (2,)), ((0,), (1, 2)))
    ]
    assert evaluator.asked == pairs + [
        kept_layers_plan(3, kept) for kept in ([1, 2], [0, 2], [0, 1])
    ]


@st.composite
def priced(draw, deepest):
    """Costs, layers, and a depth that they reach. Whole numbers add up exactly."""
    layers, size = draw(st.integers(2, deepest)), draw(st.integers(2, 4))
    prices = st.integers(0, 50)
    drop = draw(st.booleans())
    grouped = [
        draw(st.lists(prices, min_size=layers - s + 1, max_size=layers - s + 1))
        for s in range(2, min(size, layers) + 1)
    ]
    dropped = draw(st.lists(prices, min_size=layers, max_size=layers)) if drop else []
    depth = draw(st.integers(1 if drop else -(-layers // size), layers - 1))
    return {"grouped": grouped, "dropped": dropped}, layers, depth


def price(costs, num_layers, stages):
    """Summed cost of a plan; infinite where it holds what was not priced."""
    run_layers = {layer for stage in stages for layer in stage}
    gone = [layer for layer in range(num_layers) if layer not in run_layers]
    if gone and not costs["dropped"]:
        return math.inf
    largest = len(costs["grouped"]) + 1
    if any(len(stage) > largest for stage in stages):
        return math.inf
    groups = sum(costs["grouped"][len(s) - 2][s[0]] for s in stages if len(s) > 1)
    return groups + sum(costs["dropped"][layer] for layer in gone)


def every_plan(num_layers):
    """Stages of consecutive layers, some left out: each layer starts a stage, joins one or goes."""
    for roles in itertools.product(("starts", "joins", "goes"), repeat=num_layers):
        stages, before = [], "goes"
        for layer, role in enumerate(roles):
            if role == "joins" and before == "goes":
                break
            if role == "starts":
                stages.append((layer,))
            elif role == "joins":
                stages[-1] += (layer,)
            before = role
        else:
            yield tuple(stages)


@settings(max_examples=40)
@given(priced(deepest=8))
def test_cheapest_is_what_trying_every_plan_finds(case):
    costs, num_layers, depth = case
    cost, stages = cheapest(*case)
    assert len(stages) == depth
    assert price(costs, num_layers, stages) == cost
    if stages:
        assert summed(costs, LayerPlan(num_layers=num_layers, groups=stages)) == pytest.approx(cost)
    plans = (plan for plan in every_plan(num_layers) if len(plan) == depth)
    assert cost == min(price(costs, num_layers, plan) for plan in plans)


@given(priced(deepest=40))
def test_cheapest_is_never_dearer_than_a_uniform_plan(case):
    costs, num_layers, depth = case
    cost, _ = cheapest(*case)
    for size in range(2, len(costs["grouped"]) + 2):
        saved = num_layers - depth
        span = saved + -(-saved // (size - 1))
        for start in range(num_layers - span + 1):
            plan = uniform_plan(num_layers, start, start + span, size)
            assert plan.depth == depth
            assert cost <= price(costs, num_layers, plan.groups)


def test_doing_nothing_is_cheapest_of_all():
    costs = {"grouped": [[1, 1, 1]], "dropped": [1, 1, 1, 1]}
    assert cheapest(costs, 4, 4) == (0, dense_plan(4).groups)

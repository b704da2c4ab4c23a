"""Options that rules of grouping share: every reachable depth is reached, faults are one line."""

import random

import numpy as np
import pytest
from fake_evaluator import FakeEvaluator, run
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.registry import methods
from cqil.methods.evidence import Evidence, LayerSimilarity
from cqil.selection.cosine import Cosine
from cqil.selection.dependency import Dependency
from cqil.selection.dynamic import Dynamic
from cqil.selection.flatten import Flatten
from cqil.selection.greedy import Greedy
from cqil.selection.uniform import Uniform

RULES = [Cosine, Flatten, Dependency, Greedy, Dynamic, Uniform]


def plan_on_random_data(method, num_layers, seed=0):
    """What the rule chooses where similarities, dependencies and scores mean nothing."""
    draw = np.random.default_rng(seed)
    if method.needs_similarity:
        half = np.triu(draw.uniform(-1, 1, (num_layers + 1,) * 2), 1)
        similarity = LayerSimilarity(half + half.T + np.eye(num_layers + 1), np.zeros((0, 0)))
        return method.plan(Evidence(num_layers=num_layers, similarity=similarity))
    dependency = draw.random((num_layers, num_layers))
    return run(method, FakeEvaluator(num_layers, score_of(seed), dependency))


def score_of(seed):
    return lambda plan: random.Random(f"{seed} {plan.to_json()}").random()


@st.composite
def reachable(draw, deepest=12):
    """Layers, group size and a depth that groups of this size reach."""
    num_layers, size = draw(st.integers(2, deepest)), draw(st.integers(2, 5))
    return num_layers, size, draw(st.integers(-(-num_layers // size), num_layers - 1))


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(reachable(), st.integers(0, 99))
def test_every_reachable_depth_is_reached_by_runs_within_the_size(rule, case, seed):
    num_layers, size, depth = case
    plan = plan_on_random_data(rule(group_size=size, depth=depth), num_layers, seed)
    assert plan.depth == depth
    assert plan.max_group_size <= size
    assert all(stage == tuple(range(stage[0], stage[-1] + 1)) for stage in plan.groups)
    assert plan.prefill is None
    if rule is not Dynamic:
        assert plan.layers == tuple(range(num_layers))


@settings(max_examples=30)
@given(st.integers(2, 9), st.data())
def test_dynamic_without_drops_runs_all_layers_and_with_them_reaches_any_depth(num_layers, data):
    depth = data.draw(st.integers(1, num_layers - 1))
    assert plan_on_random_data(Dynamic(group_size=2, depth=depth), num_layers).depth == depth
    whole = Dynamic(group_size=num_layers, depth=depth, drop=False)
    assert plan_on_random_data(whole, num_layers).layers == tuple(range(num_layers))


@pytest.mark.parametrize("rule", RULES)
def test_bypass_is_passed_on_and_speedup_stands_for_a_depth(rule):
    options = {"group_size": 3, "bypass": 1, "bypass_target": "ffn+residual"}
    plan = plan_on_random_data(rule(speedup=1.5, **options), 10)
    assert plan.depth == 6
    assert (plan.bypass, plan.bypass_target) == (1, "ffn+residual")


@pytest.mark.parametrize(
    ("num_layers", "speedup", "depth"),
    [(30, 1.5, 20), (33, 1.1, 30), (32, 1.39, 23), (30, 1.01, 29)],
)
def test_speedup_is_read_as_it_is_written(num_layers, speedup, depth):
    assert Greedy(speedup=speedup).target_depth(num_layers) == depth


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 0},
        {"depth": 4, "speedup": 1.5},
        {"speedup": 1},
        {"speedup": 0.5},
        {"speedup": float("inf")},
        {"speedup": float("nan")},
        {"depth": 4, "group_size": 1},
        {"depth": 4, "bypass": -1},
        {"depth": 4, "bypass_target": "attention"},
        {"depth": 4, "size": 2},
    ],
    ids=str,
)
def test_options_that_contradict_or_miss_are_refused(rule, options):
    with pytest.raises(ValidationError):
        rule.model_validate({"group_size": 2} | options)


def test_cosine_takes_one_of_depth_speedup_and_threshold():
    for other in ({"depth": 4}, {"speedup": 1.5}):
        with pytest.raises(ValidationError, match=r"got (depth|speedup) and threshold"):
            Cosine(threshold=0.9, **other)
    for threshold in (1.5, -2):
        with pytest.raises(ValidationError):
            Cosine(threshold=threshold)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"depth": 6}, "depth: 6 "),
        ({"depth": 60}, "depth: 60 "),
        ({"depth": 2}, "depth: 2 is out of reach with group_size 2; 6 layers give at least 3"),
        ({"speedup": 3}, "speedup: 3 "),
        ({"speedup": 7}, "speedup: 7 "),
    ],
    ids=str,
)
def test_depth_that_the_checkpoint_cannot_reach_is_refused_in_one_line(rule, options, begins):
    more = {"drop": False} if rule is Dynamic else {}
    method = rule(group_size=2, **options, **more)
    calls = [lambda: method.plan(Evidence(num_layers=6))]
    if method.needs_similarity:
        calls = [lambda: plan_on_random_data(method, 6)]
    elif rule not in (Dependency, Dynamic):  # whose searches know no depth
        calls.append(lambda: method.search(FakeEvaluator(6, score_of(0))))
    for call in calls:
        with pytest.raises(ValueError, match=rf"\A{begins}[^\n]*\Z"):
            call()


@pytest.mark.parametrize("rule", RULES)
def test_evidence_that_was_not_measured_is_asked_for_in_one_line(rule):
    with pytest.raises(ValueError, match=r"\A(similarity|search): [^\n]*\Z"):
        rule(group_size=2, depth=4).plan(Evidence(num_layers=6))


def test_searches_are_shared_exactly_where_their_outcome_is():
    def keys(rule, **changes):
        base = {"group_size": 3, "depth": 4}
        return [rule(**(base | change)).search_key for change in [{}, *changes.values()]]

    changes = {
        "size": {"group_size": 4},
        "depth": {"depth": 5},
        "speedup": {"depth": None, "speedup": 4},
        "bypass": {"bypass": 1},
        "residual": {"bypass": 1, "bypass_target": "ffn+residual"},
        "mean": {"bypass_target": "mean"},
    }
    assert len(set(keys(Greedy, **changes))) == 7
    assert len(set(keys(Dynamic, **changes, drop={"drop": False}))) == 6  # one for all depths
    assert set(keys(Dependency, **changes)) == {"dependency"}
    assert len(set(keys(Uniform, **changes))) == 4
    # Without a distance nothing is bypassed, whatever the target.
    for rule in (Greedy, Dynamic):
        residual = {"residual": {"bypass_target": "ffn+residual"}}
        assert len(set(keys(rule, **residual))) == 1
        assert all(key.replace("-", "").replace(".", "").isalnum() for key in keys(rule, **changes))


def test_the_registry_finds_the_rules_and_not_what_they_share():
    found = {kind for kind in methods().values() if kind.__module__.startswith("cqil.selection")}
    rules = {rule.__name__ for rule in RULES}
    assert {kind.__name__ for kind in found} == {"Dense", "GivenPlan"} | rules
    assert all(isinstance(name, str) for name in methods())

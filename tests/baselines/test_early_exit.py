"""Early exit: the rule as data, and the method's options, search and plan."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.skipping.early_exit import DEPTH_TOLERANCE, MAX_BISECTIONS, EarlyExitMethod
from cqil import dense_plan, kept_layers_plan
from cqil.methods.evidence import Evidence
from cqil.plan.early_exit_rule import EarlyExitRule


class Bench:
    """A model whose mean depth is a function of the threshold."""

    num_layers = 12

    def __init__(self, layers):
        self.layers, self.asked = layers, []

    def set_total(self, evaluations):
        self.expected = evaluations

    def layers_run(self, early_exit):
        self.asked.append(early_exit)
        return self.layers(early_exit.threshold)


@given(
    st.sampled_from(["softmax-gap", "saturation"]),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.integers(1, 99),
)
def test_a_rule_comes_back_from_json(criterion, threshold, min_layers):
    rule = EarlyExitRule(criterion, threshold, min_layers)
    assert EarlyExitRule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("criterion", ["classifier", None, []]),
        ("threshold", [0, 1, 1.5, -0.1, float("nan"), "0.5", True, None]),
        ("min_layers", [0, -1, 1.5, True, "2", None]),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(field, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"\A{field}: [^\n]*\Z"):
            EarlyExitRule(**({"criterion": "saturation", "threshold": 0.5} | {field: value}))


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"criterion": "saturation"}, {"criterion": "saturation", "treshold": 0.5}],
)
def test_data_that_is_no_rule_is_refused(data):
    with pytest.raises(
        ValueError, match=r"\Aearly_exit: [^\n]* criterion, threshold, min_layers\Z"
    ):
        EarlyExitRule.from_dict(data)


def test_all_layers_may_run_and_the_threshold_decides():
    method = EarlyExitMethod(criterion="softmax-gap", threshold=0.7, min_layers=2)
    assert method.search_key is None
    assert method.plan(Evidence(num_layers=6)) == dense_plan(6)
    assert method.early_exit(Evidence(num_layers=6)) == EarlyExitRule("softmax-gap", 0.7, 2)


def test_a_fixed_depth_skips_the_layers_above():
    method = EarlyExitMethod(criterion="fixed", depth=2)
    assert method.search_key is None
    assert method.early_exit(Evidence(num_layers=4)) is None
    assert method.plan(Evidence(num_layers=4)) == kept_layers_plan(4, [0, 1], prompt_dense=True)


@pytest.mark.parametrize("depth", [2, 5, 11])
@pytest.mark.parametrize("power", [0.1, 1, 6])
def test_search_finds_the_threshold_of_a_depth(depth, power):
    """Mean depth grows with the threshold, from 1 to all 12 layers."""
    bench = Bench(lambda threshold: 1 + 11 * threshold**power)
    method = EarlyExitMethod(criterion="saturation", depth=depth)
    found = json.loads(json.dumps(method.search(bench)))
    wanted = ((depth - 1) / 11) ** (1 / power)
    assert found["threshold"] == pytest.approx(wanted, abs=2**-MAX_BISECTIONS + DEPTH_TOLERANCE)
    assert abs(found["layers"] - depth) == min(abs(r["layers"] - depth) for r in found["tried"])
    assert len(bench.asked) <= bench.expected
    rule = method.early_exit(Evidence(num_layers=12, search_result=found))
    assert rule == EarlyExitRule("saturation", found["threshold"])
    assert rule in bench.asked


def test_search_stops_where_it_is_close():
    bench = Bench(lambda threshold: 6 + DEPTH_TOLERANCE / 2)
    assert EarlyExitMethod(criterion="softmax-gap", depth=6).search(bench)["threshold"] == 0.5
    assert len(bench.asked) == 1


def test_search_takes_the_closest_where_depths_jump():
    bench = Bench(lambda threshold: 3 if threshold < 0.3 else 8)
    found = EarlyExitMethod(criterion="softmax-gap", depth=5).search(bench)
    assert found["layers"] == 3
    assert found["threshold"] < 0.3


def test_searches_are_told_apart():
    keys = [
        EarlyExitMethod(criterion=criterion, depth=depth, min_layers=min_layers).search_key
        for criterion in ("softmax-gap", "saturation")
        for depth in (4, 5)
        for min_layers in (1, 2)
    ]
    assert len(set(keys)) == 8


@pytest.mark.parametrize(
    "options",
    [
        {"criterion": "softmax-gap"},
        {"criterion": "softmax-gap", "threshold": 0.5, "depth": 4},
        {"criterion": "softmax-gap", "threshold": 0},
        {"criterion": "saturation", "threshold": 1},
        {"criterion": "saturation", "depth": 3, "min_layers": 3},
        {"criterion": "saturation", "threshold": 0.5, "min_layers": 0},
        {"criterion": "classifier", "threshold": 0.5},
        {"criterion": "fixed"},
        {"criterion": "fixed", "threshold": 0.5},
        {"criterion": "fixed", "depth": 4, "threshold": 0.5},
        {"criterion": "fixed", "depth": 4, "min_layers": 2},
    ],
)
def test_options_that_contradict_are_refused(options):
    with pytest.raises(ValidationError):
        EarlyExitMethod(**options)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"criterion": "softmax-gap", "threshold": 0.5, "min_layers": 12}, "min_layers"),
        ({"criterion": "softmax-gap", "depth": 12}, "depth"),
        ({"criterion": "fixed", "depth": 12}, "depth"),
    ],
)
def test_options_that_do_not_fit_the_checkpoint_are_refused(options, field):
    method, line = EarlyExitMethod(**options), rf"\A{field}: 12 [^\n]* 12 layers[^\n]*\Z"
    with pytest.raises(ValueError, match=line):
        method.plan(Evidence(num_layers=12))
    if method.search_key:
        bench = Bench(lambda threshold: 1)
        with pytest.raises(ValueError, match=line):
            method.search(bench)
        assert not bench.asked


def test_a_depth_waits_for_its_search():
    method = EarlyExitMethod(criterion="saturation", depth=4)
    with pytest.raises(ValueError, match=r"\Asearch: [^\n]*\Z"):
        method.early_exit(Evidence(num_layers=12))

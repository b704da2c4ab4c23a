"""CQIL's uniform groups: every reachable depth is reached, and the search takes the best start."""

import pytest
from fake_evaluator import FakeEvaluator, run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cqil import uniform_plan
from cqil.methods.evidence import Evidence
from cqil.selection.uniform import Uniform, candidate_starts, grouped_span


def evidence(num_layers, **found):
    return Evidence(num_layers=num_layers, search_result=found)


@st.composite
def reachable(draw):
    """Layers, group size and a depth that groups of this size reach."""
    num_layers, size = draw(st.integers(2, 80)), draw(st.integers(2, 9))
    return num_layers, size, draw(st.integers(-(-num_layers // size), num_layers - 1))


@given(reachable(), st.integers(0, 90))
def test_uniform_reaches_every_feasible_depth_exactly(case, start):
    num_layers, size, depth = case
    span = grouped_span(num_layers, depth, size)
    start = min(start, num_layers - span)
    assert uniform_plan(num_layers, start, start + span, size).depth == depth
    method = Uniform(group_size=size, depth=depth)
    assert method.plan(evidence(num_layers, start=start)).depth == depth


@given(reachable())
def test_depth_below_the_least_is_refused(case):
    num_layers, size, _ = case
    least = -(-num_layers // size)
    for depth in (0, least - 1, num_layers):
        with pytest.raises(ValueError, match=rf"\Adepth: {depth} [^\n]*\Z"):
            grouped_span(num_layers, depth, size)


def test_uniform_with_ends_needs_no_search():
    method = Uniform(group_size=4, start=14, end=30, bypass=1, bypass_target="two-way")
    assert method.search_key is None
    assert method.plan(evidence(32)) == uniform_plan(32, 14, 30, 4, 1, "two-way")


@pytest.mark.parametrize(
    ("start", "end", "size", "depth"), [(12, 30, 2, 23), (14, 30, 4, 20)], ids=["P2", "P4"]
)
def test_released_configurations_have_the_published_depth(start, end, size, depth):
    plan = Uniform(group_size=size, start=start, end=end).plan(evidence(32))
    assert plan.depth == depth
    assert grouped_span(32, depth, size) == end - start


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": 2},
        {"end": 6},
        {"depth": 5, "start": 2, "end": 6},
        {"speedup": 1.5, "start": 2, "end": 6},
        {"depth": 5, "speedup": 1.5},
        {"depth": 5, "end": 6},
        {"depth": 0},
        {"speedup": 1},
        {"depth": 5, "bypass_target": "attention"},
    ],
)
def test_uniform_takes_one_of_depth_speedup_and_both_ends(options):
    with pytest.raises(ValidationError):
        Uniform(group_size=2, **options)


def test_uniform_with_a_depth_waits_for_the_search():
    with pytest.raises(ValueError, match=r"\Asearch: [^\n]*\Z"):
        Uniform(group_size=2, depth=5).plan(Evidence(num_layers=8))


def test_search_is_shared_by_variants_that_differ_in_the_bypass_alone():
    key = Uniform(group_size=2, depth=5).search_key
    assert Uniform(group_size=2, depth=5, bypass=1, bypass_target="two-way").search_key == key
    others = [Uniform(group_size=3, depth=5), Uniform(group_size=2, depth=6)]
    assert (
        len({key, *(m.search_key for m in others), Uniform(group_size=2, speedup=5).search_key})
        == 4
    )


@given(st.data())
def test_candidate_starts_lie_within_bounds(data):
    num_layers = data.draw(st.integers(1, 80))
    span, grid = data.draw(st.integers(1, num_layers)), data.draw(st.integers(1, 40))
    starts = candidate_starts(num_layers, span, grid)
    margin = 1 if num_layers - span >= 2 else 0
    places = num_layers - span - 2 * margin + 1
    assert len(starts) == min(grid, places)
    assert starts == sorted(set(starts))
    assert starts[0] >= margin
    assert starts[-1] + span <= num_layers - margin


def test_candidate_starts_take_both_extremes():
    assert candidate_starts(30, 16, 13) == list(range(1, 14))
    assert candidate_starts(30, 16, 3) == [1, 7, 13]
    assert candidate_starts(30, 16, 1) == [7]


def test_search_takes_the_start_of_least_score_and_records_all():
    scores = dict(zip(range(1, 8), [3.0, 2.5, 2.75, 2.0, 2.25, 4.0, 5.0], strict=True))
    evaluator = FakeEvaluator(12, lambda plan: scores[min(plan.groups, key=paired)[0]], grid=9)
    method = Uniform(group_size=2, depth=10, bypass=1)
    found = method.search(evaluator)
    assert evaluator.asked == [uniform_plan(12, start, start + 4, 2) for start in scores]
    assert evaluator.expected == 7
    assert found["grid"] == [{"start": s, "end": s + 4, "nll": scores[s]} for s in scores]
    assert (found["group_size"], found["depth"], found["start"]) == (2, 10, 4)
    assert method.plan(evidence(12, **found)) == uniform_plan(12, 4, 8, 2, bypass=1)


def paired(stage):
    """Orders pairs before single layers, by their first layer."""
    return len(stage) == 1, stage[0]


def test_speedup_asks_for_the_depth_that_it_stands_for():
    plan = run(
        Uniform(group_size=2, speedup=1.5), FakeEvaluator(30, lambda plan: plan.groups[1][0])
    )
    assert plan.depth == 20

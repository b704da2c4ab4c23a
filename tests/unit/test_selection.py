"""CQIL's uniform groups: every reachable depth is reached, and the search takes the best start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cqil import uniform_plan
from cqil.method import Evidence
from cqil.selection.search import candidate_starts, search_start
from cqil.selection.uniform import Uniform, grouped_span


def evidence(num_layers, **found):
    return Evidence(num_layers=num_layers, **found)


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
    assert method.search == (size, depth)
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
    assert method.search is None
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
        {"depth": 5, "end": 6},
        {"depth": 0},
        {"depth": 5, "bypass_target": "attention"},
    ],
)
def test_uniform_takes_either_depth_or_both_ends(options):
    with pytest.raises(ValidationError):
        Uniform(group_size=2, **options)


def test_uniform_with_a_depth_waits_for_the_search():
    with pytest.raises(ValueError, match=r"\Astart: [^\n]*\Z"):
        Uniform(group_size=2, depth=5).plan(evidence(8))


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
    seen = []

    def score(plan):
        seen.append(plan)
        return [3.0, 2.5, 2.75, 2.0, 2.25, 4.0, 5.0][len(seen) - 1]

    found = search_start(12, 2, 10, 9, score)
    assert seen == [uniform_plan(12, start, start + 4, 2) for start in range(1, 8)]
    assert all(plan.bypass == 0 for plan in seen)
    assert [(row["start"], row["end"]) for row in found["grid"]] == [
        (s, s + 4) for s in range(1, 8)
    ]
    assert [row["nll"] for row in found["grid"]] == [3.0, 2.5, 2.75, 2.0, 2.25, 4.0, 5.0]
    assert (found["group_size"], found["depth"], found["start"]) == (2, 10, 4)

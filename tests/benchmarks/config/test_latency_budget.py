"""A latency budget among a variant's options: replaced by a depth, named in searches, refused."""

import pytest

from benchmarks.config.latency_budget import budget_of
from benchmarks.config.run_config import parse_method, search_name

BUDGET = {"ms": 2.5, "machine": "probes/my-box.json", "group_parallel_size": 2}
OPTIONS = {"method": "uniform", "group_size": 2, "latency_budget": BUDGET}


def test_a_depth_takes_the_place_of_the_budget():
    budget = budget_of(OPTIONS)
    assert (budget.ms, budget.group_parallel_size, budget.tensor_parallel_size) == (2.5, 2, 1)
    assert budget.replace_by_depth(OPTIONS, 20) == {
        "method": "uniform",
        "group_size": 2,
        "depth": 20,
    }
    assert OPTIONS["latency_budget"] == BUDGET


def test_options_without_a_budget_have_none():
    assert budget_of({"method": "dense"}) is None


def test_searches_of_different_budgets_have_different_names():
    other = OPTIONS | {"latency_budget": BUDGET | {"ms": 3}}
    names = {search_name(OPTIONS), search_name(other)}
    assert len(names) == 2
    assert all("my-box-2x1-bfloat16" in name for name in names)
    assert search_name({"method": "dense"}) is None


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"depth": 3}, "latency_budget: depth is given too; give one of them"),
        ({"latency_budget": {"ms": 3}}, "latency_budget.machine: missing; config/README.md "),
        ({"latency_budget": BUDGET | {"ms": -1}}, "latency_budget.ms: "),
    ],
)
def test_what_is_wrong_is_one_line(options, line):
    with pytest.raises(ValueError, match="latency_budget") as error:
        parse_method("variants.mine", OPTIONS | options)
    assert str(error.value).startswith(f"config: variants.mine.{line}")
    assert "\n" not in str(error.value)

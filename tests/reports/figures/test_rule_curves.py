"""Rules as curves: one line for each rule, and what the search gains at equal depth."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_results import LAYERS, VARIANTS, MadeUpRun

from cqil.plan import kept_layers_plan, uniform_plan
from reports.answers import quality
from reports.answers.search import searched
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.estimates.rule_curves import rule_curves
from reports.figures.rule_curves import rule_panels
from reports.tables.rules import curves_table

RULES = {
    "uniform-5": ("cqil", "uniform", {"group_size": 2}, uniform_plan(LAYERS, 2, 4, 2)),
    "uniform-4": ("cqil", "uniform", {"group_size": 2}, uniform_plan(LAYERS, 1, 5, 2)),
    "dynamic-5": ("cqil", "dynamic", {}, uniform_plan(LAYERS, 3, 5, 2)),
    "dynamic-4": ("cqil", "dynamic", {}, uniform_plan(LAYERS, 2, 6, 2)),
    "sleb-5": ("removal", "sleb", {}, kept_layers_plan(LAYERS, [0, 1, 2, 3, 5])),
    "sleb-4": ("removal", "sleb", {}, kept_layers_plan(LAYERS, [0, 1, 2, 5])),
    "last-5": ("removal", "last-n", {}, kept_layers_plan(LAYERS, [0, 1, 2, 3, 4])),
}
LOSSES = {
    "uniform-5": 3.3,
    "uniform-4": 3.4,
    "dynamic-5": 3.2,
    "dynamic-4": 3.6,
    "sleb-5": 3.9,
    "sleb-4": 4.4,
    "last-5": 3.5,
}


@pytest.fixture
def results(tmp_path):
    run = MadeUpRun({"dense": VARIANTS["dense"]} | RULES, {"dense": 3.0} | LOSSES)
    return load_results(run.fill(tmp_path))


def test_a_line_is_a_rule_that_was_measured_at_two_depths(results):
    families = rule_curves(results)
    assert set(families["cqil"]) == {"uniform p=2", "dynamic"}
    assert families["cqil"]["dynamic"] == {5: "dynamic-5", 4: "dynamic-4"}
    assert set(families["removal"]) == {"sleb"}


def test_the_search_is_compared_with_the_best_of_each_kind_at_its_depth(results):
    compared = Estimates(results).searched.set_index(["depth", "kind"])
    at_5 = compared.loc[(5, "best removal rule")]
    assert at_5["other"] == "last-5"
    assert at_5["ratio"].value == pytest.approx(np.exp(0.3), rel=0.02)
    assert at_5["verdict"] == "higher"
    assert compared.loc[(4, "best uniform rule"), "other"] == "uniform-4"
    assert compared.loc[(4, "best uniform rule"), "verdict"] == "lower"


def test_the_answer_counts_the_depths_at_which_the_search_is_better(results):
    (answer,) = searched(Estimates(results).searched)
    assert "than the best uniform rule at 1 of 2 depths" in answer.verdict
    assert "than the best removal rule at 2 of 2 depths" in answer.verdict
    assert "2 more below" in answer.numbers


def test_where_the_search_is_worse_the_sums_that_misled_it_are_named(results):
    costs = {"grouped": [[9.0, 1.0, 0.1, 1.0, 0.1]], "dropped": []}
    results.variants["dynamic-4"] = replace(results.variants["dynamic-4"], search=costs)
    (answer,) = searched(Estimates(results).searched)
    assert "depth 4: summed 0.20 against 2.00, measured 0.60 against 0.40 nats" in answer.numbers
    assert answer.numbers.count("summed") == 1


def test_one_table_holds_perplexity_and_accuracy_with_its_error(results):
    estimates = Estimates(results)
    table = curves_table(results, estimates.perplexities, estimates.accuracies)
    row = table.shown.set_index("rule").loc["dynamic"]
    assert re.fullmatch(r"29\.9 \[27\.\d, 33\.\d\]; 36\.7 ± \d+\.\d %", row["depth 5"])

    assert table.data.set_index("rule").loc["sleb", "depth 4"].value > 90
    drawn = rule_panels(results, estimates.perplexities, estimates.accuracies)
    assert len(drawn.axes) == 2 * 2


def test_with_many_plans_the_best_of_each_depth_are_compared(results, monkeypatch):
    monkeypatch.setattr(quality, "MAX_PAIRS", 3)
    numbers = quality.grouping_or_removal(results, Estimates(results)).numbers
    assert numbers.count("depth ") == 2
    assert "depth 5, last-5 / dynamic-5 ×1.3" in numbers

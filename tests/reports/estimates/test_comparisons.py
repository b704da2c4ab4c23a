"""Grouping against removal, and bypasses of the same groups."""

from __future__ import annotations

import math

import pytest
from made_up_results import LOSSES, VARIANTS, MadeUpRun

from reports.data.load_results import load_results
from reports.estimates import comparisons


def test_removal_is_compared_with_the_better_bypass_in_both_measures(folder):
    results = load_results(folder)
    (row,) = comparisons.removal_pairs(results).to_dict("records")
    assert (row["depth"], row["grouped"], row["removal"]) == (4, "pairs-d1", "removed")
    assert row["ratio"].value == pytest.approx(math.exp(1.6), rel=0.02)
    assert row["verdict"] == "higher"
    assert row["accuracy_difference"].value == 0
    assert row["is_best"]
    assert not row["is_random"]
    # Claims are of groups without a bypass.
    (plain,) = comparisons.removal_at_same_depth(results).to_dict("records")
    assert plain["grouped"] == "pairs"


def test_random_removal_is_no_rule(tmp_path):
    variants = VARIANTS | {"by-chance": VARIANTS["removed"]._replace(method="random")}
    folder = MadeUpRun(variants, LOSSES | {"by-chance": 4.0}).fill(tmp_path)
    pairs = comparisons.removal_pairs(load_results(folder)).set_index("removal")
    assert pairs["is_random"].to_dict() == {"removed": False, "by-chance": True}
    assert pairs["is_best"].to_dict() == {"removed": True, "by-chance": False}


def test_bypass_is_compared_over_the_same_groups(folder):
    comparison = comparisons.bypass_modes(load_results(folder)).set_index("bypass")
    assert comparison.loc["ffn", "without"] == "pairs"
    assert comparison.loc["ffn", "ratio"].value == pytest.approx(math.exp(-0.1), rel=0.02)
    assert comparison.loc["ffn", "verdict"] == "lower"

"""Grouping against removal, and bypasses of the same groups."""

from __future__ import annotations

import math

import pytest

from reports.data.load_results import load_results
from reports.estimates import comparisons
from reports.text import summary


def test_verdict_on_removal_follows_the_intervals(folder):
    comparison = comparisons.removal_at_same_depth(load_results(folder))
    assert comparison["verdict"].tolist() == ["higher"]
    ((answer, _),) = summary.removal_verdicts(comparison)
    assert answer.endswith("depth 4? Yes.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="lower"))
    assert answer.endswith("No.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="not distinguishable"))
    assert answer.endswith("Not decided by these windows.")


def test_bypass_is_compared_over_the_same_groups(folder):
    comparison = comparisons.bypass_modes(load_results(folder)).set_index("bypass")
    assert comparison.loc["ffn", "without"] == "pairs"
    assert comparison.loc["ffn", "ratio"].value == pytest.approx(math.exp(-0.1), rel=0.02)
    assert comparison.loc["ffn", "verdict"] == "lower"

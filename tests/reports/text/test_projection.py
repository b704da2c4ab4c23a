"""Sentences on the break-even map follow from its numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.cost_model.fastest_methods import MACHINE, fastest_panels
from benchmarks.cost_model.machine import load_machine
from reports.data.load_results import load_results
from reports.estimates.comparisons import removal_pairs
from reports.text.projection import projection_sentences


@pytest.fixture(scope="module")
def panels():
    return fastest_panels(load_machine(MACHINE))


def test_both_sentences_say_that_they_are_projected(folder, panels):
    grouping, links = projection_sentences(panels, removal_pairs(load_results(folder)))
    assert grouping.startswith("Projected for 2, 4 and 8 devices, batches of 1 and 16")
    assert "faster still everywhere" in grouping
    assert "(removed / pairs-d1)" in grouping
    assert links.startswith("Projected over H100")
    assert "2 devices, batch 1: from " in links


def test_a_share_is_said_where_it_is_not_everywhere(panels):
    """As on a map where removal never wins."""
    without = {
        key: panel._replace(removal_wins=panel.removal_wins & False)
        for key, panel in panels.items()
    }
    columns = ["grouped", "removal", "depth", "ratio", "is_best"]
    none_scored = pd.DataFrame(columns=columns)
    grouping, _ = projection_sentences(without, none_scored)
    assert "faster still in 0 % of the area" in grouping
    assert "no removal was scored" in grouping

"""Healed variants and their twins can be told apart in figures of quality."""

from __future__ import annotations

import pytest
from made_up_healing import healed_run

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures.elements import RING
from reports.figures.quality_by_depth import accuracy_by_depth, perplexity_by_depth
from reports.figures.quality_by_latency import quality_by_latency
from reports.figures.speed_by_group_size import speed_by_group_size


@pytest.fixture
def estimates(tmp_path):
    return Estimates(load_results(healed_run().fill(tmp_path)))


def rings(axes):
    return [line for line in axes.lines if line.get_markersize() == RING["markersize"]]


def test_a_ring_is_drawn_around_every_healed_variant(estimates):
    results = estimates.results
    by_depth = (
        perplexity_by_depth(results, estimates.perplexities),
        accuracy_by_depth(results, estimates.accuracies),
    )
    by_latency = quality_by_latency(
        results, estimates.perplexities, estimates.accuracies, estimates.latencies
    )
    for figure in (*by_depth, by_latency):
        assert {len(rings(axes)) for axes in figure.axes} == {len(results.healed)}
        assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "healed"


def test_speeds_of_group_sizes_are_of_unhealed_plans(estimates):
    figure = speed_by_group_size(estimates.results, estimates.latencies)
    markers = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    # Dense and pairs, on one device and on two ranks.
    assert sum(len(line.get_xdata()) for line in markers) == 4

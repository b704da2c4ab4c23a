"""The figures of quality against time, and of speed against the size of groups."""

from __future__ import annotations

import pytest

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures.quality_by_latency import quality_by_latency
from reports.figures.speed_by_group_size import speed_by_group_size


@pytest.fixture
def results(folder):
    return load_results(folder)


def marker_positions(figure):
    """{(x, y)} of every marker of the first panel."""
    axes = figure.axes[0]
    return {
        (round(float(x), 3), round(float(y), 3))
        for line in axes.lines
        if line.get_marker() not in ("None", "none", None)
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_quality_stands_at_its_time(results):
    estimates = Estimates(results)
    figure = quality_by_latency(
        results, estimates.perplexities, estimates.accuracies, estimates.latencies
    )
    ratio = estimates.perplexities.query("variant == 'pairs' and text == 'all texts'")["ratio"]
    is_pairs = "variant == 'pairs' and backend == 'engine' and phase == 'decode'"
    time = estimates.latencies.query(is_pairs)["ratio"]
    position = (round(time.item().value, 3), round(ratio.item().value, 3))
    assert position in marker_positions(figure)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one device", "2 ranks"]


def test_speed_by_group_size_leaves_out_bypass_and_removal(results):
    figure = speed_by_group_size(results, Estimates(results).latencies)
    # dense and pairs, each on one device and on two ranks.
    assert len(marker_positions(figure)) == 4
    assert "batch 1, prompt 8; Imaginary CPU" in figure.axes[0].get_title(loc="left")

"""The figure of quality against time and resources."""

from __future__ import annotations

import pytest

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.estimates.pareto_front import pareto_points
from reports.figures.pareto import pareto


@pytest.fixture
def results(folder):
    return load_results(folder)


def test_what_was_not_scored_is_hollow_and_off_the_front(results):
    perplexities, latencies = Estimates(results).perplexities, Estimates(results).latencies
    points = pareto_points(results, perplexities, latencies)
    unscored = perplexities[perplexities["variant"] != "pairs"]
    figure = pareto(results, unscored, latencies)
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    num_hollow = sum(len(line.get_xdata()) for line in hollow)
    assert num_hollow == len(points[points["variant"] == "pairs"])


def test_without_latency_nothing_is_drawn(results):
    estimates = Estimates(results)
    assert pareto(results, estimates.perplexities, estimates.latencies[:0]) is None

"""Accuracy against time and resources: the right points, and the right front."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.data.load_results import load_results
from reports.estimates import quality
from reports.estimates.latency import latency_estimates
from reports.figures.pareto import front, pareto, pareto_points


@pytest.fixture
def results(folder):
    return load_results(folder)


@pytest.fixture
def points(results):
    return pareto_points(quality.perplexities(results), latency_estimates(results))


def test_resources_are_time_by_ranks(points):
    rows = points.set_index(["variant", "backend"])
    two = rows.loc[("pairs", "ranks-2")]
    assert two["resources"] == pytest.approx(2 * two["latency"])
    one = rows.loc[("pairs", "engine")]
    assert one["resources"] == one["latency"]
    assert rows.loc[("dense", "engine")].tolist() == [1.0, 1.0, 1.0]
    assert "transformers" not in set(points["backend"])


def test_the_front_is_what_nothing_beats():
    rows = [("a", 1.0, 1.0), ("b", 0.5, 2.0), ("c", 0.6, 3.0), ("d", 0.4, 9.0), ("e", 0.3, np.nan)]
    points = pd.DataFrame(rows, columns=["variant", "latency", "quality"])
    assert list(front(points, "latency")["variant"]) == ["d", "b", "a"]


def test_what_was_not_scored_is_hollow_and_off_the_front(results, points):
    perplexities = quality.perplexities(results)
    unscored = perplexities[perplexities["variant"] != "pairs"]
    figure = pareto(results, unscored, latency_estimates(results))
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert len(hollow) == len(points[points["variant"] == "pairs"])


def test_without_latency_nothing_is_drawn(results):
    measured = latency_estimates(results)
    assert pareto(results, quality.perplexities(results), measured[:0]) is None


def test_the_page_says_that_the_map_is_projected(html):
    section = html[html.index('<section id="projection">') :]
    assert "Nothing in this section was measured here." in section
    assert section.count("<svg") >= 1
    assert "gpt-fast, tensor parallel, batch 1: 9 of 10" in section

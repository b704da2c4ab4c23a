"""Points of quality against time and resources, and the front of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.estimates.pareto_front import pareto_front, pareto_points


def test_resources_are_time_by_ranks(folder):
    results = load_results(folder)
    estimates = Estimates(results)
    points = pareto_points(results, estimates.perplexities, estimates.latencies)
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
    assert list(pareto_front(points, "latency")["variant"]) == ["d", "b", "a"]

"""Points of quality against time and resources, and the front of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.estimates.pareto_front import pareto_front, pareto_points
from reports.estimates.quality_cost import quality_costs
from reports.tables.latency import latency_table


def test_resources_are_time_by_cores_that_ranks_share(folder):
    results = load_results(folder)
    estimates = Estimates(results)
    points = pareto_points(results, estimates.perplexities, estimates.latencies)
    rows = points.set_index(["variant", "backend"])
    two = rows.loc[("pairs", "ranks-2")]
    # Two ranks of one thread take the two cores that one device has.
    assert two["resources"] == two["latency"]
    one = rows.loc[("pairs", "engine")]
    assert one["resources"] == one["latency"]
    assert [estimate.value for estimate in rows.loc[("dense", "engine")]] == [1.0, 1.0, 1.0]
    assert "transformers" not in set(points["backend"])


def test_the_front_is_what_nothing_beats():
    assert front(a=(1.0, 1.0), b=(0.5, 2.0), c=(0.6, 3.0), d=(0.4, 9.0), e=(0.3, np.nan)) == [
        *"dba"
    ]


def test_noise_is_no_step_of_the_front():
    """Neither a perplexity that is not told apart, nor a time: then the better quality stands."""
    near = {"a": (1.0, 1.0), "b": (0.5, 1.02), "c": (0.49, 2.0)}
    assert front(**near) == ["c", "b", "a"]
    assert front(noise=0.1, **near) == ["b"]


def front(noise: float = 0.0, **points: tuple[float, float]) -> list[str]:
    """Names of the front of (time, perplexity), whose intervals are wide by a share `noise`."""
    rows = [
        (name, *(Estimate(x, x * (1 - noise), x * (1 + noise)) for x in values))
        for name, values in points.items()
    ]
    frame = pd.DataFrame(rows, columns=["variant", "latency", "quality"])
    return list(pareto_front(frame, "latency")["variant"])


def test_times_of_another_depth_than_the_scores_have_no_quality(folder):
    """As where depth changes from token to token: 2 of 3 layers timed, 1 scored."""
    results = load_results(folder)
    results.variants["pairs"] = replace(results.variants["pairs"], layers=1.0)
    assert not results.timed_as_scored("pairs")
    estimates = Estimates(results)
    points = pareto_points(results, estimates.perplexities, estimates.latencies)
    assert "pairs" not in set(points["variant"])
    costs = quality_costs(results, estimates.perplexities, estimates.accuracies)
    assert not costs["pairs"].is_known
    assert costs["dense"].is_known
    note = latency_table(results, estimates.latencies, costs).note
    assert re.search(
        r"No quality stands beside times of another depth: pairs \(.* 1[.0]* scored\)", note
    )

"""Times of made-up results: medians over rounds, relative to dense."""

from __future__ import annotations

import math

import pytest
from changed_latency import WORKLOAD, change_latency
from made_up_results import LATENCY, MadeUpRun

from benchmarks.results.statistics import Estimate
from reports.data.load_results import load_results
from reports.estimates.latency import latency_estimates


def latencies(folder):
    rows = latency_estimates(load_results(folder))
    return rows.set_index(["variant", "backend", "phase"])


def test_latency_is_the_median_over_rounds(folder):
    rows = latencies(folder)
    assert rows.loc[("dense", "engine", "decode")]["milliseconds"].value == pytest.approx(6150)
    assert rows.loc[("removed", "engine", "decode")]["ratio"].value == pytest.approx(4.15 / 6.15)


def test_every_latency_is_relative_to_dense_on_one_device(folder):
    ratios = latencies(folder)["ratio"]
    assert ratios["dense", "engine", "decode"] == Estimate(1.0, 1.0, 1.0)
    assert ratios["dense", "ranks-2", "decode"].value == pytest.approx(3.15 / 6.15)
    assert ratios["pairs", "ranks-2", "prefill"].value == pytest.approx(2.15 / 6.15)
    assert ratios["dense", "transformers", "decode"].value == pytest.approx(12.15 / 6.15)
    (folder / "latency" / "engine" / WORKLOAD / "dense.json").unlink()
    assert all(math.isnan(ratio.value) for ratio in latencies(folder)["ratio"])


def test_end_to_end_is_the_prefill_and_all_steps_of_a_round(folder):
    rows = latencies(folder)
    # Rounds 0 to 3 take 6.0, 6.1, 6.2, 6.3 seconds a step, and a round has four steps.
    end = rows.loc[("dense", "engine", "end to end")]
    assert end["milliseconds"].value == pytest.approx(4 * 6150)
    assert rows.loc[("dense", "engine", "prefill")]["milliseconds"].value == pytest.approx(6150)


def test_a_mode_is_compared_with_dense_in_that_mode(tmp_path):
    """Here graphs take a third of the eager time, whatever the variant."""
    latency = LATENCY | {"modes": ["eager", "cuda_graph"]}
    folder = MadeUpRun(latency=latency).fill(tmp_path)
    for name in ("dense", "pairs"):
        result = MadeUpRun().latency_result(name, "engine-cuda_graph")
        samples = [[seconds / 3 for seconds in steps] for steps in result.samples]
        change_latency(folder, name, "engine-cuda_graph", samples=samples)
    ratios = latencies(folder)["ratio"].xs("decode", level="phase")
    assert ratios["dense", "engine-cuda_graph"].value == 1
    assert ratios["pairs", "engine-cuda_graph"].value == ratios["pairs", "engine"].value

"""The table of times: beside quality, with flags, for every workload and backend."""

from __future__ import annotations

import shutil

import pytest
from changed_latency import change_latency
from made_up_results import LATENCY, VARIANTS, MadeUpRun
from rendered_page import rendered_page

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.tables.latency import latency_table

DECODE = "decode (TPOT, median step), ms/token"


def table(folder):
    """The table, and what it shows by variant and by what ran it."""
    results = load_results(folder)
    estimates = Estimates(results)
    times = latency_table(results, estimates.latencies, estimates.qualities)
    return times, times.shown.set_index(["variant", "runs"])


@pytest.fixture
def two_workloads(tmp_path):
    """A run of two workloads and two modes; the second mode was skipped throughout."""
    latency = LATENCY | {"batch": [1, 2], "modes": ["eager", "cuda_graph"]}
    folder = MadeUpRun(latency=latency).fill(tmp_path)
    for mode in (folder / "latency").glob("*-cuda_graph"):
        shutil.rmtree(mode)
    return folder


def test_table_holds_every_backend(folder):
    times, shown = table(folder)
    assert "2 ranks: processes of 1 thread each, linked by gloo." in times.note
    assert shown.loc[("pairs", "one device"), "decode / dense"].startswith("×0.675 [")
    assert shown.loc[("pairs", "2 ranks"), "decode / dense"].startswith("×0.350 [")
    generate = shown.loc[("dense", "generate of Transformers")]
    assert generate[DECODE].startswith("1.2e4 [")
    assert generate["decode / dense"].startswith("×1.98 [")
    assert shown.loc[("dense", "one device"), "decode / dense"] == "×1.00"
    assert "workload" not in shown


def test_throughput_hardware_and_memory_have_units(folder):
    _, shown = table(folder)
    one, ranks = shown.loc[("pairs", "one device")], shown.loc[("pairs", "2 ranks")]
    # 4 layers of a second each, and 2.15 s on two ranks; both take two cores.
    assert (one["tokens/s"], ranks["tokens/s"]) == ("0.241", "0.465")
    assert one["core-s / 1,000 tokens"] == "8300"
    assert ranks["core-s / 1,000 tokens"] == "4300"
    assert (one["weights a rank, MB"], ranks["weights a rank, MB"]) == ("4.00", "2.00")


def test_times_stand_beside_what_they_cost(folder):
    times, shown = table(folder)
    pairs = shown.loc[("pairs", "2 ranks")]
    assert pairs["perplexity / dense"].startswith("×1.65 [")
    assert pairs["accuracy − dense, points"].startswith("+0.0 [")
    assert shown.loc[("dense", "one device"), "perplexity / dense"] == "×1.00"
    assert not times.data["perplexity_ratio"].isna().any()


def test_a_variant_without_accuracy_is_marked(folder):
    for name in ("perplexity/pairs.json", "multiple_choice/few/pairs.json"):
        (folder / name).unlink()
    _, shown = table(folder)
    assert shown.loc[("pairs", "one device"), "perplexity / dense"] == "no accuracy"
    assert shown.loc[("removed", "one device"), "perplexity / dense"].startswith("×")


def test_a_backend_that_was_skipped_says_so(folder):
    reason = "ranks: 2, but one core"
    change_latency(folder, "pairs", "ranks-2", status="skipped", reason=reason, samples=[])
    _, shown = table(folder)
    assert shown.loc[("pairs", "2 ranks"), DECODE] == "skipped"
    assert shown.loc[("pairs", "one device"), "decode / dense"].startswith("×0.675 [")
    assert reason in rendered_page(folder)


def test_every_workload_is_shown_and_a_mode_without_numbers_is_not(two_workloads):
    _, shown = table(two_workloads)
    assert set(shown["workload"]) == {"b1-p8", "b2-p8"}
    assert len(shown) == 2 * (6 + 6 + 1)
    assert not [runs for _, runs in shown.index if "cuda_graph" in runs]
    page = rendered_page(two_workloads)
    assert "latency/engine-cuda_graph/b1-p8" in page
    assert "batch 1 or 2" in page


def test_a_mode_that_was_timed_for_some_variants_lists_the_others_as_missing(two_workloads):
    for name in ("dense", "pairs"):
        change_latency(two_workloads, name, "engine-cuda_graph")
    _, shown = table(two_workloads)
    assert shown.loc[("removed", "one device, in a CUDA graph"), "decode / dense"] == "missing"


def test_flags_stand_behind_the_time(folder):
    """Nine rounds, every other one slower by half: two modes."""
    first = MadeUpRun().latency_result("pairs").samples[0]
    bimodal = [
        [seconds * (1.5 if number % 2 else 1 + number / 1000) for seconds in first]
        for number in range(9)
    ]
    unimodal = [[1 + number % 3 / 100] * len(first) for number in range(9)]
    for name in (*VARIANTS, "dense-control"):
        change_latency(folder, name, samples=bimodal if name == "pairs" else unimodal)
    _, shown = table(folder)
    assert shown.loc[("pairs", "one device"), DECODE].endswith("] †")
    assert shown.loc[("removed", "one device"), DECODE].endswith("]")

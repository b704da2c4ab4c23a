"""What variants are timed on: names of paths, and which layout a plan takes on N ranks."""

import subprocess
import sys
from typing import get_args

import pytest

from benchmarks.config.sections import ExecutionMode, LatencySection
from benchmarks.latency.measure_latency import layout_for
from benchmarks.latency.targets import latency_targets, mode_of, plan_of, ranks_of, reference_of
from benchmarks.runtime.device import UnavailableError
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine.captured_decode import ExecutionMode as EngineMode
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan

LAYERS = 8
DENSE, SKIPPING = dense_plan(LAYERS), kept_layers_plan(LAYERS, [0, 4, 7], prompt_dense=True)
PAIRS, FOURS = uniform_plan(LAYERS, 2, 8, 2), uniform_plan(LAYERS, 2, 8, 4)
GROUPED_PROMPT = LayerPlan(num_layers=LAYERS, groups=DENSE.groups, prefill=PAIRS.groups)


def test_all_variants_are_timed_on_all_paths_and_dense_by_transformers_too():
    assert latency_targets(["dense", "pairs"], LatencySection(ranks=[2, 4], prompt_tokens=8)) == [
        ("engine", "b1-p8", "dense"),
        ("engine", "b1-p8", "pairs"),
        ("engine", "b1-p8", "dense-again"),
        ("ranks-2", "b1-p8", "dense"),
        ("ranks-2", "b1-p8", "pairs"),
        ("ranks-4", "b1-p8", "dense"),
        ("ranks-4", "b1-p8", "pairs"),
        ("transformers", "b1-p8", "dense"),
    ]
    assert latency_targets(["pairs"], LatencySection()) == [("engine", "b1-p128", "pairs")]


def test_each_batch_with_each_prompt_is_a_workload_the_smallest_first():
    section = LatencySection(batch=[4, 1], prompt_tokens=[64, 16], rounds=7, precision=0.1)
    points = [(w.batch, w.prompt_tokens) for w in section.workloads]
    assert points == [(1, 16), (1, 64), (4, 16), (4, 64)]
    assert {(w.rounds, w.precision) for w in section.workloads} == {(7, 0.1)}
    places = latency_targets(["dense"], section)
    assert len(set(places)) == len(places) == 4 * 3
    assert [work for _, work, _ in places[::3]] == ["b1-p16", "b1-p64", "b4-p16", "b4-p64"]


def test_modes_have_paths_and_references_of_their_own():
    section = LatencySection(ranks=[2], modes=["eager", "cuda_graph", "compiled"])
    paths = list(dict.fromkeys(path for path, _, _ in latency_targets(["dense"], section)))
    engines = ["engine", "ranks-2"]
    expected = [p + mode for mode in ("", "-graph", "-compiled") for p in engines]
    assert paths == [*expected, "transformers"]
    assert [mode_of(p) for p in paths[:-1:2]] == ["eager", "cuda_graph", "compiled"]
    assert [ranks_of(p) for p in paths] == [1, 2] * 3 + [1]
    assert reference_of("ranks-2-graph") == "engine-graph"
    assert reference_of("transformers") == reference_of("ranks-2") == "engine"
    twice = [path for path, _, name in latency_targets(["dense"], section) if name == "dense-again"]
    assert twice == ["engine", "engine-graph", "engine-compiled"]
    assert [plan_of(name) for name in ("dense-again", "dense", "pairs")] == [
        "dense",
        "dense",
        "pairs",
    ]


def test_modes_are_those_of_the_engine():
    assert get_args(ExecutionMode) == get_args(EngineMode)


@pytest.mark.parametrize(
    ("plan", "ranks", "layout"),
    [
        (DENSE, 2, Layout(tensor_parallel_size=2)),
        (DENSE, 3, Layout(tensor_parallel_size=3)),
        (SKIPPING, 4, Layout(tensor_parallel_size=4)),
        (PAIRS, 2, Layout(group_parallel_size=2)),
        (PAIRS, 4, Layout(group_parallel_size=2, tensor_parallel_size=2)),
        (PAIRS, 6, Layout(group_parallel_size=2, tensor_parallel_size=3)),
        (FOURS, 4, Layout(group_parallel_size=4)),
        (FOURS, 8, Layout(group_parallel_size=4, tensor_parallel_size=2)),
        (GROUPED_PROMPT, 2, Layout(group_parallel_size=2)),
    ],
)
def test_groups_become_lanes_and_other_ranks_share_layers(plan, ranks, layout):
    assert layout_for(plan, ranks, heads=4) == layout
    assert layout.world_size == ranks


@pytest.mark.parametrize(
    ("plan", "ranks", "reason"),
    [
        (PAIRS, 3, "ranks: 3, but the largest group has 2 members; use a multiple of 2"),
        (FOURS, 2, "ranks: 2, but the largest group has 4 members; use a multiple of 4"),
        (GROUPED_PROMPT, 3, "ranks: 3, but the largest group has 2 members"),
        (DENSE, 5, "ranks: 5, so that 5 share each layer, but a layer has 4 attention heads"),
        (PAIRS, 10, "ranks: 10, so that 5 share each layer, but a layer has 4 attention heads"),
    ],
)
def test_ranks_that_cannot_all_be_used_are_refused(plan, ranks, reason):
    with pytest.raises(UnavailableError, match=rf"\A{reason}[^\n]*\Z"):
        layout_for(plan, ranks, heads=4)


def test_the_workflow_names_paths_without_torch():
    probe = "import sys, benchmarks.latency.targets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

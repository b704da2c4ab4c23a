"""What variants are timed on: names of paths, and which layout a plan takes on N ranks."""

import subprocess
import sys

import pytest

from benchmarks.latency import layout_for
from benchmarks.paths import ranks_of, timed
from benchmarks.runtime import UnavailableError
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine.layout import Layout
from cqil.plan import LayerPlan

LAYERS = 8
DENSE, SKIPPING = dense_plan(LAYERS), kept_layers_plan(LAYERS, [0, 4, 7], prompt_dense=True)
PAIRS, FOURS = uniform_plan(LAYERS, 2, 8, 2), uniform_plan(LAYERS, 2, 8, 4)
GROUPED_PROMPT = LayerPlan(num_layers=LAYERS, groups=DENSE.groups, prefill=PAIRS.groups)


def test_all_variants_are_timed_on_all_paths_and_dense_by_transformers_too():
    assert timed(["dense", "pairs"], [2, 4]) == [
        ("engine", "dense"),
        ("engine", "pairs"),
        ("ranks-2", "dense"),
        ("ranks-2", "pairs"),
        ("ranks-4", "dense"),
        ("ranks-4", "pairs"),
        ("transformers", "dense"),
    ]
    assert timed(["pairs"], []) == [("engine", "pairs")]


def test_paths_tell_their_ranks():
    found = [ranks_of(path) for path, _ in timed(["dense"], [2, 16])]
    assert found == [1, 2, 16, 1]


@pytest.mark.parametrize(
    ("plan", "ranks", "layout"),
    [
        (DENSE, 2, Layout(shards=2)),
        (DENSE, 3, Layout(shards=3)),
        (SKIPPING, 4, Layout(shards=4)),
        (PAIRS, 2, Layout(lanes=2)),
        (PAIRS, 4, Layout(lanes=2, shards=2)),
        (PAIRS, 6, Layout(lanes=2, shards=3)),
        (FOURS, 4, Layout(lanes=4)),
        (FOURS, 8, Layout(lanes=4, shards=2)),
        (GROUPED_PROMPT, 2, Layout(lanes=2)),
    ],
)
def test_groups_become_lanes_and_other_ranks_share_layers(plan, ranks, layout):
    assert layout_for(plan, ranks, heads=4) == layout
    assert layout.world == ranks


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
    probe = "import sys, benchmarks.paths; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

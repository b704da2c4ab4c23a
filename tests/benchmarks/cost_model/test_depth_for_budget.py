"""From a latency budget to a depth: every family of methods is predicted with its own plans."""

import json

import pytest

from benchmarks.cost_model.depth_for_budget import depth_within, resolve_depth
from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.step_workload import StepWorkload
from cqil.engine.parallel.layout import Layout

SHAPE, MACHINE = SHAPES["LLaMA-7B"], "a100-nvlink"
BUDGET = {"ms": 8, "machine": MACHINE, "group_parallel_size": 2}


@pytest.fixture
def manifest(tmp_path):
    """The manifest of a model with the sizes of LLaMA-7B."""
    config = {
        "num_hidden_layers": SHAPE.layers,
        "hidden_size": SHAPE.hidden,
        "intermediate_size": SHAPE.intermediate,
        "num_attention_heads": SHAPE.heads,
        "vocab_size": SHAPE.vocabulary,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return {"name": "tiny", "path": str(tmp_path)}


@pytest.mark.parametrize(
    ("method", "group_size"),
    [
        ({"method": "uniform", "group_size": 2}, 2),
        ({"method": "greedy", "group_size": 4}, 4),
        ({"method": "layer-parallel"}, 2),
        ({"method": "shortgpt"}, None),
        ({"method": "unified", "rule": "even"}, None),
    ],
)
def test_a_depth_is_that_of_plans_of_the_family(manifest, method, group_size):
    budget = BUDGET | ({"group_parallel_size": group_size} if group_size else {})
    options, prediction = resolve_depth(method | {"latency_budget": budget}, manifest)
    layout = Layout(group_parallel_size=budget["group_parallel_size"])
    fit = depth_within(
        8, SHAPE, load_machine(MACHINE), group_size=group_size, layout=layout, work=StepWorkload()
    )
    assert options == method | {"depth": fit.depth}
    assert prediction["projected"] is True
    assert (prediction["depth"], prediction["predicted_ms"]) == (fit.depth, fit.predicted_ms)
    assert prediction["predicted_ms"] <= prediction["ms"] == 8 < prediction["dense_ms"]


def test_options_without_a_budget_are_left_alone(manifest):
    options = {"method": "shortgpt", "depth": 20}
    assert resolve_depth(options, manifest) == (options, None)


def test_a_budget_that_dense_meets_is_refused(manifest):
    options = {"method": "shortgpt", "latency_budget": BUDGET | {"ms": 100}}
    with pytest.raises(ValueError, match=r"\Alatency_budget: 100 ms, but dense on one [^\n]*\Z"):
        resolve_depth(options, manifest)

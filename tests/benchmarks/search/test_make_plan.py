"""`python -m benchmarks plan` over a tiny model and plain text; budgets in milliseconds."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.cost_model.depth_for_budget import depth_within
from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model_shapes import SHAPES, ModelShape
from benchmarks.cost_model.step_time import dense_s, predict_step
from benchmarks.cost_model.step_workload import StepWorkload
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, uniform_plan

SHAPE, A100 = SHAPES["LLaMA-7B"], load_machine("a100-nvlink")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n\n".join(f"Paragraph {i} tells of layers. " * 40 for i in range(40)))
    return path


@pytest.fixture
def plan(tiny_llama, text, tmp_path):
    """Runs the command; returns what it did and where its manifest lies."""

    def command(*arguments):
        out = tmp_path / "plans" / "mine.json"
        fixed = ["--model", str(tiny_llama), "--text", str(text), "--out", str(out)]
        small = ["--documents", "1", "--window", "16", "--threads", "1"]
        return CliRunner().invoke(app, ["plan", *arguments, *fixed, *small]), out

    return command


def test_a_search_writes_a_manifest_and_draws_the_plan(plan, text):
    done, out = plan("uniform", "--depth", "3", "--option", '{"group_size": 2}')
    assert done.exit_code == 0, done.output
    manifest = json.loads(out.read_text())
    chosen = LayerPlan.from_dict(manifest["plan"])
    assert chosen.depth == manifest["depth"] == 3
    assert chosen.max_group_size == 2
    assert manifest["calibration"]["tokens"] == 16
    assert len(manifest["calibration"]["texts"][text.name]) == 64
    assert manifest["calibration"]["seconds"] >= 0
    assert chosen.slug in done.stdout
    assert "depth 3 of 4" in done.stdout


def test_a_second_run_reads_the_answers_of_the_first(plan):
    _, out = plan("greedy", "--speedup", "1.5", "--option", '{"group_size": 2}')
    answers = sorted((out.parent / "mine" / "search" / "answers").rglob("*.json"))
    assert answers
    first, written = out.read_text(), [path.stat().st_mtime_ns for path in answers]
    done, _ = plan("greedy", "--speedup", "1.5", "--option", '{"group_size": 2}')
    assert done.exit_code == 0, done.output
    assert [path.stat().st_mtime_ns for path in answers] == written
    assert json.loads(out.read_text())["plan"] == json.loads(first)["plan"]


def test_a_rule_of_similarity_measures_it_once(plan):
    done, out = plan("shortgpt", "--depth", "2")
    assert done.exit_code == 0, done.output
    similarity = out.parent / "mine" / "similarity.json"
    before = similarity.stat().st_mtime_ns
    done, _ = plan("shortgpt", "--depth", "3")
    assert done.exit_code == 0, done.output
    assert similarity.stat().st_mtime_ns == before
    assert len(json.loads(out.read_text())["plan"]["groups"]) == 3


def test_a_budget_becomes_a_depth(plan, tiny_llama):
    shape = ModelShape.of_config("tiny", json.loads((tiny_llama / "config.json").read_text()))
    dense_ms = 1e3 * dense_s(shape, A100, StepWorkload(itemsize=4))
    budget = ["--latency-budget", f"{0.8 * dense_ms:.9f}", "--machine", "a100-nvlink"]
    done, out = plan("shortgpt", *budget)
    assert done.exit_code == 0, done.output
    # Half of the bytes are read by the head: two of four layers leave about three quarters.
    assert json.loads(out.read_text())["depth"] in (2, 3)
    assert "(projected)" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shortgpt", "--latency-budget", "5"], "machine: missing; a latency budget needs"),
        (
            ["shortgpt", "--latency-budget", "5", "--machine", "h100-nvlink"],
            "latency_budget: 5 ms, but dense on one device of h100-nvlink takes",
        ),
        (
            ["shortgpt", "--depth", "2", "--latency-budget", "5", "--machine", "h100-nvlink"],
            "config: plan.latency_budget: depth is given too; give one of them",
        ),
        (
            ["parallel-attention", "--latency-budget", "5", "--machine", "h100-nvlink"],
            "config: plan.latency_budget: parallel-attention takes no depth; choose another rule",
        ),
        (["nonsense", "--depth", "2"], "config: plan.method: 'nonsense' is unknown; use one of"),
    ],
)
def test_bad_input_is_one_line(plan, arguments, message):
    done, _ = plan(*arguments)
    assert isinstance(done.exception, ValueError)
    assert str(done.exception).startswith(message)
    assert "\n" not in str(done.exception)


def test_the_largest_depth_that_fits_is_taken():
    budget = {"layout": Layout(group_parallel_size=2), "work": StepWorkload(), "group_size": 2}
    fit = depth_within(8.0, SHAPE, A100, **budget)
    assert fit.predicted_ms <= 8.0 < fit.dense_ms
    grouped = 2 * (SHAPE.layers - fit.depth - 1)
    start = (SHAPE.layers - grouped) // 2
    deeper = uniform_plan(SHAPE.layers, start, start + grouped, 2)
    assert deeper.depth == fit.depth + 1
    assert 1e3 * predict_step(deeper, Layout(group_parallel_size=2), SHAPE, A100).total_s > 8.0


def test_a_budget_that_no_depth_meets_is_refused():
    with pytest.raises(
        ValueError, match=r"\Alatency_budget: 1 ms is out of reach on a100-nvlink; "
    ):
        depth_within(
            1.0,
            SHAPE,
            A100,
            group_size=2,
            layout=Layout(group_parallel_size=2),
            work=StepWorkload(),
        )

"""The command line: drawings of plans, and bad input as one line on stderr with exit code 2."""

import json
import subprocess
import sys

import pytest
import typer

from cqil import LayerPlan, kept_layers_plan, uniform_plan
from cqil.cli.plan_source import PlanSource, read_plan
from cqil.cli.run_app import run_app

PLAN = uniform_plan(6, 1, 5, 2)
RESULT = {"plan": PLAN.to_dict(), "model": {"name": "tiny", "sha256": "0", "num_layers": 6}}


def layers_by_row(drawing):
    """Layer indices of each stage row of a drawing."""
    rows = [line for line in drawing.splitlines() if "[" in line]
    return [[int(part[:2]) for part in row.split("[")[1:]] for row in rows]


def check_refused(done, *words):
    """One line on stderr that holds the words, nothing on stdout, exit code 2."""
    code, out, err = done
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    for word in words:
        assert word in err


def test_layers_that_run_together_share_a_row(cqil):
    code, out, err = cqil("inspect", "S12-E28-P2-D1", "--layers", 30)
    assert (code, err) == (0, "")
    plan = uniform_plan(30, 12, 28, 2, 1)
    assert layers_by_row(out) == [list(stage) for stage in plan.groups]
    assert out.count("bypass 1") == 8
    assert "depth 22 of 30" in out
    assert "x1.36" in out


def test_prompt_and_generated_tokens_are_drawn_apart(cqil, tmp_path):
    plan = kept_layers_plan(4, [0, 3], prompt_dense=True)
    (tmp_path / "plan.json").write_text(plan.to_json())
    code, out, _ = cqil("inspect", "plan.json")
    assert code == 0
    assert layers_by_row(out) == [[0], [1], [2], [3], [0], [3]]
    assert out.index("prompt") < out.index("generated tokens")
    assert "prompt depth 4" in out
    assert "skipped: 1, 2" in out


def test_layers_of_a_ladder_are_marked(cqil, tmp_path):
    plan = LayerPlan(num_layers=4, groups=[[0], [1], [2], [3]], ladder=(1, 3))
    (tmp_path / "plan.json").write_text(plan.to_json())
    _, out, _ = cqil("inspect", "plan.json")
    marked = [line for line in out.splitlines() if "ladder" in line]
    assert layers_by_row("\n".join(marked)) == [[1], [2]]


def test_removed_layers_are_named(cqil, tmp_path):
    (tmp_path / "plan.json").write_text(kept_layers_plan(4, [0, 3]).to_json())
    _, out, _ = cqil("inspect", "plan.json")
    assert "removed: 1, 2" in out


def test_manifest_says_which_model_it_is_for(tmp_path):
    path = tmp_path / "variant.json"
    path.write_text(json.dumps({"plan": PLAN.to_dict(), "model": {"path": "/models/tiny"}}))
    assert read_plan(str(path), None) == PlanSource(PLAN, "/models/tiny")
    path.write_text(PLAN.to_json())
    assert read_plan(str(path), None) == PlanSource(PLAN)
    assert read_plan("S1-E5-P2-D0", 6) == PlanSource(PLAN)
    assert read_plan("dense", 6) == PlanSource(LayerPlan.from_slug("dense", 6))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["S12-E28-P2", "--layers", 30], ["S12-E28-P2", "S12-E28-P2-D1"]),
        (["S12-E28-P2-D1", "--layers", 20], ["[12, 28)", "20 layers"]),
        (["S12-E28-P2-D1"], ["--layers", "--model"]),
        (["absent.json"], ["absent.json"]),
        (["."], ["--layers", "--model"]),
    ],
)
def test_plans_that_name_nothing_are_refused(cqil, tmp_path, arguments, words):
    check_refused(cqil("inspect", *arguments), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups: [[0]]", ["plan.json", "not JSON"]),
        ("[[0], [1]]", ["not an object"]),
        ('{"groups": [[0]]}', ["num_layers", "missing"]),
        ('{"num_layers": 2, "groups": [[0], [2]]}', ["groups", "layer 2"]),
        ('{"num_layers": 2, "groups": [[0], [1]], "speed": 1}', ["speed"]),
        ('{"plan": 3, "model": {"path": "x"}}', ["plan"]),
        ("\udcff", ["utf-8"]),
    ],
)
def test_bad_plan_files_are_refused(cqil, tmp_path, text, words):
    (tmp_path / "plan.json").write_bytes(text.encode(errors="surrogateescape"))
    check_refused(cqil("inspect", "plan.json"), *words)


@pytest.mark.parametrize("data", [RESULT, {"plan": PLAN.to_dict()}], ids=["result", "no model"])
def test_plan_within_another_file_is_drawn(cqil, tmp_path, data):
    """A result names its plan but not where the weights are; a drawing needs none."""
    (tmp_path / "result.json").write_text(json.dumps(data))
    code, out, _ = cqil("inspect", "result.json")
    assert code == 0
    assert layers_by_row(out) == [list(stage) for stage in PLAN.groups]


def test_build_refuses_a_folder_in_use(cqil, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    check_refused(cqil("build", "dense", "--out", "out"), "out", "not empty")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_build_refuses_a_file_as_its_folder(cqil, tmp_path):
    (tmp_path / "out").write_text("mine")
    check_refused(cqil("build", "dense", "--out", "out"), "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("command", [["build", "--out", "out"], ["generate", "--prompt", "Once"]])
def test_commands_that_run_a_model_ask_for_one(cqil, tmp_path, command):
    (tmp_path / "plan.json").write_text(PLAN.to_json())
    check_refused(cqil(*command, "plan.json"), "plan.json", "--model")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_debug_shows_where_an_error_came_from(monkeypatch):
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail():
        raise ValueError("device: tpu is unknown")

    monkeypatch.setattr(sys, "argv", ["fail"])
    monkeypatch.setenv("CQIL_DEBUG", "1")
    with pytest.raises(ValueError, match="tpu"):
        run_app(app)


def test_the_program_itself_ends_so_and_starts_without_torch(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from cqil.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", "S1-E9-P2-D0", "--layers", "6"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    check_refused((done.returncode, done.stdout, done.stderr), "[1, 9)", "6 layers")

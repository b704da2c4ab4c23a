"""Where the numbers come from: commands that can be typed, facts that differ between results."""

from __future__ import annotations

import shlex
import sys

import pytest
from made_up_results import PROVENANCE, MadeUpRun

from benchmarks.results.result_schema import write_result
from cqil.cli.run_app import run_app
from reports.__main__ import app
from reports.data.load_results import load_results
from reports.text.background import (
    commands,
    facts,
    mixed_commits,
    python_command,
    report_command,
)


def test_the_command_that_a_reader_is_told_works(tmp_path, monkeypatch):
    folder = MadeUpRun().fill(tmp_path / "results" / "made-up")
    line = report_command(load_results(folder), "variants")
    python, flag, *arguments = shlex.split(line)
    assert (python, flag, arguments[0]) == (python_command(), "-m", "reports")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        run_app(app)
    assert ended.value.code == 0
    assert (folder / "report" / "tables" / "variants.csv").exists()


def test_facts_that_differ_are_listed_with_their_number(folder):
    by_name = dict(facts(load_results(folder)))
    assert by_name["Commit"] == "c0ffee"
    assert by_name["Packages"] == "torch 2.0, lm_eval 0.4.9"
    later = PROVENANCE.model_copy(update={"dirty": True, "created": "2026-02-01T00:00:00+00:00"})
    result = MadeUpRun().perplexity_result("pairs").model_copy(update={"provenance": later})
    write_result(folder / "perplexity" / "pairs.json", result)
    results = load_results(folder)
    by_name = dict(facts(results))
    others = len(results.records) - 1
    assert set(by_name["Commit"].split("; ")) == {
        f"c0ffee ({others} results)",
        "c0ffee, with uncommitted changes (1 results)",
    }
    assert by_name["Measured between"] == f"{PROVENANCE.created} and {later.created}"


def test_each_kind_of_result_has_a_command(folder):
    assert commands(load_results(folder)) == dict.fromkeys(
        ("perplexity", "multiple_choice", "latency"), f"{python_command()} -m benchmarks"
    )


def test_a_fresh_shell_finds_the_python_of_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert python_command() == ".venv/bin/python"
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    assert python_command() == "python"


def test_results_of_two_commits_are_said_to_be(folder):
    assert mixed_commits(load_results(folder)) == ""
    later = PROVENANCE.model_copy(update={"commit": "decaf"})
    result = MadeUpRun().perplexity_result("pairs").model_copy(update={"provenance": later})
    write_result(folder / "perplexity" / "pairs.json", result)
    assert "decaf (1 results)" in mixed_commits(load_results(folder))

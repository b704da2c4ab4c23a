"""Predictions of published speeds: how close they are, and which rows count."""

from __future__ import annotations

import re

import pytest
from made_up_machine import machine
from typer.testing import CliRunner

from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.validation import measured_rows, published_rows
from benchmarks.results.engine_bench_record import read_bench
from benchmarks.results.provenance import ROOT
from reports.__main__ import app
from reports.tables.cost_model import validation_table

BENCH = ROOT / "benchmarks/history/2026-11-21-epyc-2-cores/engine.json"


@pytest.fixture(scope="module")
def rows():
    return published_rows()


def test_of_single_sequences_all_but_one_row_lie_within_ten_percent(rows):
    predicted = [row for row in rows if not row.fitted and "batch 1," in row.row]
    off = [(row.row, row.ranks) for row in predicted if not row.within(0.10)]
    assert len(predicted) == 26
    assert off == [("LLaMA-7B, batch 1, standard", 4)]


def test_gains_of_ladder_and_parallel_attention_are_predicted(rows):
    """Over standard, on NVLink at batch 1: what the published tables are about."""
    ladder = [r for r in rows if r.table == "Ladder-Residual, NVLink" and "batch 1," in r.row]
    by_method = {(row.row.split(", ")[-1], row.ranks): row for row in ladder}
    for how in ("ladder", "parallel"):
        for ranks in (2, 4, 8):
            row, base = by_method[how, ranks], by_method["standard", ranks]
            gain = row.predicted / base.predicted
            assert gain == pytest.approx(row.measured / base.measured, rel=0.11)


def test_larger_batches_are_too_fast_in_the_model_and_that_is_said(rows):
    large = [row for row in rows if "batch 1," not in row.row]
    assert sum(row.within(0.10) for row in large) == 1
    assert all(row.deviation > 0 for row in large)
    note = validation_table().note
    assert "larger batches: 1 of 28 predictions within 10 %" in note
    assert "gpt-fast, tensor parallel, batch 1: 9 of 10 predictions within 10 %" in note


def test_fitted_rows_do_not_count(rows):
    assert sum(row.fitted for row in rows) == 6


def test_a_bench_is_compared_system_by_system():
    bench = read_bench(BENCH)
    rows = {r.row: r for r in measured_rows(bench, SHAPES["SmolLM2-135M"], machine(1e-3))}
    assert set(rows) == {system.name for system in bench.systems} - {
        "transformers-generate",
        "cqil-p2-star",
        "tp2-star",
    }
    reported_ms = re.search(
        r"^\| tp2 .*\| (\S+) \[", BENCH.with_suffix(".md").read_text(), re.MULTILINE
    )
    assert rows["tp2"].measured == pytest.approx(float(reported_ms[1]), abs=0.01)
    bound = rows["tp2-no-communication"]
    assert rows["tp2"].predicted == pytest.approx(bound.predicted + 61)
    assert 61 < rows["tp2-ladder"].predicted < rows["tp2"].predicted


def test_commands_write_markdown(tmp_path):
    out = tmp_path / "cost.md"
    completed = CliRunner().invoke(app, ["cost-model", "published", "--out", str(out)])
    assert completed.exit_code == 0, completed.output
    assert "| deviation" in out.read_text()
    other = tmp_path / "other.json"
    other.write_text("{}")
    arguments = ["measured", str(other), str(other), "--out", str(out)]
    completed = CliRunner().invoke(app, ["cost-model", *arguments])
    assert str(completed.exception).startswith(f"{other}: holds no bench (")

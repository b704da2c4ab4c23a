"""What the model says of published speeds, no weaker than what is true; deviations are named."""

from __future__ import annotations

import re

import pytest
from made_up_machine import machine
from typer.testing import CliRunner

from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.validation import measured_rows, published_rows
from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.provenance import ROOT
from reports.tables.cost_model import app, validation_table

BENCH = ROOT / "benchmarks/history/2026-11-21-epyc-2-cores/engine.json"


@pytest.fixture(scope="module")
def rows():
    return published_rows()


def test_of_single_sequences_all_but_one_row_lie_within_ten_percent(rows):
    counted = [row for row in rows if row.counts and "batch 1," in row.row]
    off = [(row.row, row.ranks) for row in counted if not row.within(0.10)]
    assert len(counted) == 26
    assert off == [("LLaMA-7B, batch 1, standard", 4)]


def test_gains_of_ladder_and_parallel_attention_are_predicted(rows):
    """Over standard, on NVLink at batch 1: what the published tables are about."""
    ladder = [r for r in rows if r.table == "Ladder-Residual, NVLink" and "batch 1," in r.row]
    found = {(row.row.split(", ")[-1], row.ranks): row for row in ladder}
    for how in ("ladder", "parallel"):
        for ranks in (2, 4, 8):
            own, base = found[how, ranks], found["standard", ranks]
            gain = own.predicted / base.predicted
            assert gain == pytest.approx(own.found / base.found, rel=0.11)


def test_every_deviation_has_a_reason(rows):
    far = [row for row in rows if row.counts and not row.within(0.10)]
    assert far
    assert all(row.remark for row in far)
    assert not any(row.remark for row in rows if row.within(0.10))


def test_larger_batches_are_too_fast_in_the_model_and_that_is_said(rows):
    large = [row for row in rows if "batch 1," not in row.row]
    assert sum(row.within(0.10) for row in large) == 1
    assert all(row.deviation > 0 for row in large)
    note = validation_table().note
    assert "larger batches: 1 of 28 predictions within 10 %" in note
    assert "gpt-fast, tensor parallel, batch 1: 9 of 10 predictions within 10 %" in note


def test_fitted_rows_do_not_count(rows):
    assert sum(not row.counts for row in rows) == 6


def test_a_bench_is_compared_arm_by_arm():
    bench = EngineBench.model_validate_json(BENCH.read_bytes())
    found = {r.row: r for r in measured_rows(bench, SHAPES["SmolLM2-135M"], machine(1e-3))}
    assert set(found) == {arm.name for arm in bench.arms} - {
        "transformers-generate",
        "cqil-p2-star",
        "tp2-star",
    }
    said = re.search(r"^\| tp2 .*\| (\S+) \[", BENCH.with_suffix(".md").read_text(), re.MULTILINE)
    assert found["tp2"].found == pytest.approx(float(said[1]), abs=0.01)
    silent = found["tp2-silent"]
    assert found["tp2"].predicted == pytest.approx(silent.predicted + 61)
    assert 61 < found["tp2-ladder"].predicted < found["tp2"].predicted


def test_commands_write_markdown(tmp_path):
    out = tmp_path / "cost.md"
    done = CliRunner().invoke(app, ["published", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "| deviation" in out.read_text()
    other = tmp_path / "other.json"
    other.write_text("{}")
    done = CliRunner().invoke(app, ["measured", str(other), str(other), "--out", str(out)])
    assert str(done.exception).startswith(f"{other}: is no bench (")

"""The smoke workflow, really: real weights, text and tasks to a report, as a newcomer runs it."""

from __future__ import annotations

import re
import subprocess

import pytest
import torch
from project import ROOT

from benchmarks.results.result_schema import read_result
from benchmarks.runtime.device import device_count

pytestmark = pytest.mark.e2e


def git_status() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def enough_for(ranks: int) -> bool:
    return device_count("cuda" if torch.cuda.is_available() else "cpu") >= ranks


def test_results_are_ok_and_follow_the_schema(smoke):
    files = [*smoke.glob("perplexity/*.json"), *smoke.glob("multiple_choice/*/*.json")]
    files += smoke.glob("latency/*/*/*.json")
    results = [read_result(path) for path in files]
    # Perplexity, multiple choice, the engine on one device and on two ranks; dense is timed again
    # on both, and by Transformers.
    assert len(results) == 4 * 6 + 3
    on_ranks = [r for r in results if r.kind == "latency" and r.backend.name == "ranks-2"]
    assert {result.status for result in results if result not in on_ranks} == {"ok"}
    assert {result.status for result in on_ranks} == {"ok" if enough_for(2) else "skipped"}
    assert all(result.model.num_layers == 30 for result in results)


def test_every_variant_is_scored_on_the_same_documents(smoke):
    for kind in ("perplexity", "multiple_choice/zero-shot"):
        results = [read_result(path) for path in smoke.glob(f"{kind}/*.json")]
        assert len({tuple(s.document for s in result.samples) for result in results}) == 1


def test_prompt_pass_of_skipping_is_the_dense_one(smoke):
    skipping, dense = (
        read_result(smoke / "multiple_choice" / "zero-shot" / f"{name}.json")
        for name in ("uls-2x", "dense")
    )
    pairs = list(zip(skipping.samples, dense.samples, strict=True))
    one_token = [(s, d) for s, d in pairs if s.one_token]
    assert all(s.loglikelihoods == pytest.approx(d.loglikelihoods, abs=1e-3) for s, d in one_token)
    assert any(s.loglikelihoods != pytest.approx(d.loglikelihoods, abs=1) for s, d in pairs)


def test_report_stands_alone(smoke):
    page = (smoke / "report" / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//[^"']*\.(js|css|png|svg)""", page)
    assert "dequantised from 4 bits" in page
    assert "2 ranks: " in page if enough_for(2) else "ranks: 2, but this machine has" in page
    assert list((smoke / "report" / "figures").glob("*.pdf"))
    assert list((smoke / "report" / "tables").glob("*.csv"))


def test_second_call_has_nothing_to_do_and_leaves_the_checkout_clean(smoke, ask_snakemake):
    before = git_status()
    assert "Nothing to be done" in ask_snakemake()
    assert git_status() == before
    assert not [line for line in before.splitlines() if "results" in line or "resources" in line]


def test_snakemake_packs_the_run(smoke, ask_snakemake, tmp_path):
    ask_snakemake("--report", str(tmp_path / "run.zip"))
    assert (tmp_path / "run.zip").stat().st_size > 10_000

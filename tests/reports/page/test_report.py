"""The report: what it computes from results, refuses, shows and never does."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest
from made_up_results import LAYERS, MODEL, MadeUpRun

from benchmarks.results.measurements import write_result
from benchmarks.results.statistics import Estimate
from cqil.plan import dense_plan
from reports.data import number_format
from reports.data.load_results import load_results
from reports.estimates import comparisons, quality
from reports.estimates import latency as times
from reports.page.page import write_report
from reports.tables import scores
from reports.text import summary

WORK = "b1-p8"


def test_a_variant_against_itself_is_exactly_one_without_width(folder):
    results = load_results(folder)
    assert quality.perplexity_ratio(results, "pairs", "pairs") == Estimate(1.0, 1.0, 1.0)


def test_subjects_of_mmlu_are_one_task_weighted_by_documents(folder):
    accuracies = quality.accuracies(load_results(folder)).set_index(["variant", "task"])
    row = accuracies.loc[("dense", "mmlu")]
    # law: 0 of 1, art: 4 of 9; a mean of subjects would give 0.22.
    assert row["documents"] == 10
    assert row["acc"] == pytest.approx(0.4)
    assert math.isnan(row["acc_norm"])
    assert row["headline"].value == pytest.approx(0.4)


def test_length_normalised_accuracy_is_the_headline_where_there_is_one(folder):
    row = quality.accuracies(load_results(folder)).set_index(["variant", "task"])
    assert row.loc[("dense", "sciq")]["headline"].value == pytest.approx(2 / 6)
    assert row.loc[("dense", "sciq")]["acc"] == pytest.approx(3 / 6)


def test_latency_is_the_median_over_rounds(folder):
    rows = latencies(folder)
    assert rows.loc[("dense", "engine", "decode")]["milliseconds"].value == pytest.approx(6150)
    assert rows.loc[("removed", "engine", "decode")]["ratio"].value == pytest.approx(4.15 / 6.15)


def latencies(folder):
    return times.latencies(load_results(folder)).set_index(["variant", "backend", "phase"])


def test_every_latency_is_relative_to_dense_on_one_device(folder):
    ratios = latencies(folder)["ratio"]
    assert ratios["dense", "engine", "decode"] == Estimate(1.0, 1.0, 1.0)
    assert ratios["dense", "ranks-2", "decode"].value == pytest.approx(3.15 / 6.15)
    assert ratios["pairs", "ranks-2", "prefill"].value == pytest.approx(2.15 / 6.15)
    assert ratios["dense", "transformers", "decode"].value == pytest.approx(12.15 / 6.15)
    (folder / "latency" / "engine" / WORK / "dense.json").unlink()
    assert all(math.isnan(ratio.value) for ratio in latencies(folder)["ratio"])


# --- sentences and numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18.34, "18.3"),
        (1449.6, "1450"),
        (0.0321, "0.0321"),
        (470000, "4.7e5"),
        (math.inf, "overflow"),
        (math.nan, "n/a"),
    ],
)
def test_numbers_are_short(value, text):
    assert number_format.significant(value) == text


def test_verdict_on_removal_follows_the_intervals(folder):
    comparison = comparisons.removal_at_same_depth(load_results(folder))
    assert comparison["verdict"].tolist() == ["higher"]
    ((answer, _),) = summary.removal_verdicts(comparison)
    assert answer.endswith("depth 4? Yes.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="lower"))
    assert answer.endswith("No.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="not distinguishable"))
    assert answer.endswith("Not decided by these windows.")


def test_bypass_is_compared_over_the_same_groups(folder):
    comparison = comparisons.bypass_modes(load_results(folder)).set_index("bypass")
    assert comparison.loc["ffn", "without"] == "pairs"
    assert comparison.loc["ffn", "ratio"].value == pytest.approx(math.exp(-0.1), rel=0.02)
    assert comparison.loc["ffn", "verdict"] == "lower"


# --- loading


def test_other_documents_are_refused(folder):
    write_result(
        folder / "perplexity" / "pairs.json", MadeUpRun().perplexity_result("pairs", documents=4)
    )
    with pytest.raises(ValueError, match=r"pairs\.json: documents differ from those of dense"):
        load_results(folder)


def test_another_session_is_refused(folder):
    other = MadeUpRun().latency_result("pairs").model_copy(update={"session": "other"})
    write_result(folder / "latency" / "engine" / WORK / "pairs.json", other)
    with pytest.raises(ValueError, match=r"pairs\.json: session differ"):
        load_results(folder)


def test_another_session_of_another_path_is_refused(folder):
    other = MadeUpRun().latency_result("pairs", "ranks-2").model_copy(update={"session": "other"})
    write_result(folder / "latency" / "ranks-2" / WORK / "pairs.json", other)
    with pytest.raises(ValueError, match=r"ranks-2/b1-p8/pairs\.json: session differ"):
        load_results(folder)


def test_a_result_of_another_path_is_refused(folder):
    write_result(
        folder / "latency" / "ranks-2" / WORK / "pairs.json", MadeUpRun().latency_result("pairs")
    )
    with pytest.raises(ValueError, match=r"ranks-2/b1-p8/pairs\.json: measured on engine"):
        load_results(folder)


def test_a_result_of_another_plan_is_refused(folder):
    stale = (
        MadeUpRun()
        .perplexity_result("pairs")
        .model_copy(update={"plan": dense_plan(LAYERS).to_dict()})
    )
    write_result(folder / "perplexity" / "pairs.json", stale)
    with pytest.raises(ValueError, match=r"pairs\.json: measured with another plan"):
        load_results(folder)


@pytest.mark.parametrize("gone", ["run.json", "variants/pairs.json"])
def test_a_missing_file_is_one_line(folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ValueError, match=rf"{gone}: not found; .*run") as caught:
        load_results(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_results_is_refused(folder):
    for kind in ("perplexity/*", "multiple_choice/*/*", "latency/*/*/*"):
        for path in folder.glob(kind):
            path.unlink()
    with pytest.raises(ValueError, match="holds no results"):
        load_results(folder)


# --- the page


def test_a_skipped_result_shows_its_reason_and_no_number(folder):
    skipped = (
        MadeUpRun()
        .perplexity_result("removed")
        .model_copy(update={"status": "skipped", "reason": "no accelerator here", "samples": []})
    )
    write_result(folder / "perplexity" / "removed.json", skipped)
    results = load_results(folder)
    shown = scores.variants_table(
        results, quality.perplexities(results), quality.accuracies(results)
    ).shown.set_index("variant")
    cells = shown.loc["removed", ["perplexity", "× dense", "bits/byte"]]
    assert set(cells) == {"skipped"}
    assert "no accelerator here" in write_report(folder, folder / "out").read_text()


def test_page_stands_alone(html):
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"<script|<link|@import|url\((?!#)", html)
    assert html.count("<svg") == 11


def test_page_says_what_must_be_said(html):
    for sentence in (
        MODEL.note,
        "Imaginary CPU; device cpu, 2 of 4 threads, float32",
        "ideal ×1.50, on 2 ranks",
        "device cpu, 2 ranks of 1 of 4 threads",
        "2 ranks: processes of 1 thread each, linked by gloo",
        "on several ranks at the same time",
        "decode only",
        "mmlu cannot show any harm of skipping",
        scores.FIRST_TOKEN,
        "SciQ: 91.6 %; Winogrande: 69.1 %",
        "direction confirmed here",
    ):
        assert sentence in html


def test_same_results_give_same_files(folder):
    for out in ("first", "second"):
        write_report(folder, folder / out)
    first = {p.relative_to(folder / "first"): p for p in (folder / "first").rglob("*.*")}
    assert {p.suffix for p in first} == {".html", ".png", ".pdf", ".csv", ".md", ".tex"}
    for name, path in first.items():
        assert path.read_bytes() == (folder / "second" / name).read_bytes(), name


@pytest.mark.parametrize("kept", ["perplexity", "multiple_choice", "latency"])
def test_one_kind_of_result_is_enough(folder, kept):
    for path in folder.rglob("*/*.json"):
        if path.relative_to(folder).parts[0] not in (kept, "variants"):
            path.unlink()
    (folder / "similarity.json").unlink()
    assert "there is no result file" in write_report(folder, folder / "out").read_text()


def test_a_run_without_latency_says_so(folder):
    MadeUpRun(latency=None).write_run_record(folder)
    assert "This run leaves latency out." in write_report(folder, folder / "out").read_text()


def test_reports_do_not_import_torch():
    probe = "import sys, reports.page.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

"""The page and its files: what they say, that they stand alone, and that they can be made again."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from made_up_engine_bench import made_up_bench
from made_up_results import MODEL, MadeUpRun, write_json
from rendered_page import laid_out_page, rendered_page

from benchmarks.results.result_schema import write_result
from reports.data.load_results import load_results
from reports.estimates import quality
from reports.page.page import write_report
from reports.tables import scores
from reports.text.background import python_command


def test_page_stands_alone(html):
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert links
    assert all(link.startswith(("#", "data:", "https://")) for link in links)
    assert not re.search(r"<script src|<link|@import|url\((?!#)", html)
    assert html.count("<svg") == 11


def test_page_says_what_must_be_said(html):
    for sentence in (
        MODEL.note,
        "Imaginary CPU; device cpu, 2 of 4 threads, float32",
        "ideal ×1.50, on 2 devices",
        "ideal ×1.50, with whole devices",
        "device cpu, 2 ranks of 1 of 4 threads",
        "2 ranks: processes of 1 thread each, linked by gloo",
        "on several ranks at the same time",
        "decode only",
        "mmlu cannot show any harm of skipping",
        scores.FIRST_TOKEN,
        "SciQ: 91.6 %; Winogrande: 69.1 %",
        "same direction here",
    ):
        assert sentence in html


def test_page_says_that_the_map_is_projected(html):
    section = html[html.index('<section id="projection">') :]
    assert "Nothing in this section was measured here." in section
    assert section.count("<svg") >= 1
    assert "gpt-fast, tensor parallel, batch 1: 9 of 10" in section


def test_page_tells_how_to_make_each_figure_again(html):
    line = "-m reports report --results results/made-up --out results/made-up/report --only plans"
    assert f"{python_command()} {line}" in html


def test_same_results_give_same_files(folder, drawn_report):
    out = write_report(folder, folder / "out").parent
    names = {path.relative_to(out) for path in out.rglob("*.*")}
    assert names == {path.relative_to(drawn_report) for path in drawn_report.rglob("*.*")}
    assert {name.suffix for name in names} == {".html", ".png", ".pdf", ".csv", ".md", ".tex"}
    for name in names:
        assert (out / name).read_bytes() == (drawn_report / name).read_bytes(), name


def test_a_skipped_result_shows_its_reason_and_no_number(folder):
    skipped = {"status": "skipped", "reason": "no accelerator here", "samples": []}
    result = MadeUpRun().perplexity_result("removed").model_copy(update=skipped)
    write_result(folder / "perplexity" / "removed.json", result)
    results = load_results(folder)
    shown = scores.variants_table(
        results, quality.perplexities(results), quality.accuracies(results)
    ).shown.set_index("variant")
    cells = shown.loc["removed", ["perplexity", "× dense", "bits/byte"]]
    assert set(cells) == {"skipped"}
    assert "no accelerator here" in rendered_page(folder)


@pytest.mark.parametrize("kept", ["perplexity", "multiple_choice", "latency"])
def test_one_kind_of_result_is_enough(folder, kept):
    for path in folder.rglob("*/*.json"):
        if path.relative_to(folder).parts[0] not in (kept, "variants"):
            path.unlink()
    (folder / "similarity.json").unlink()
    assert "there is no result file" in laid_out_page(folder)


def test_a_run_without_latency_says_so(folder):
    MadeUpRun(latency=None).write_run_record(folder)
    assert "This run leaves latency out." in laid_out_page(folder)


def test_a_bench_in_the_folder_is_drawn(folder, html):
    assert "figure-step-breakdown" not in html
    write_json(folder / "bench.json", made_up_bench().model_dump())
    assert 'id="figure-step-breakdown"' in laid_out_page(folder)


def test_reports_do_not_import_torch():
    probe = "import sys, reports.page.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

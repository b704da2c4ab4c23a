"""Sections, single figures, LaTeX, and figures that only some results have."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from made_up_results import MODEL, PROVENANCE, write_json

from benchmarks.results.engine_bench_record import BenchRank, BenchSystem, EngineBench
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures import quality_by_latency, step_breakdown
from reports.page.page import write_only, write_report
from reports.page.sections import SECTIONS
from reports.tables.latex import escaped, latex


def made_sections(folder):
    results = load_results(folder)
    made = [make(results, Estimates(results)) for make in SECTIONS]
    return [section for section in made if section is not None]


def test_names_are_unique_and_every_one_can_be_made_alone(folder):
    sections = made_sections(folder)
    names = [block.name for section in sections for block in (*section.drawings, *section.tables)]
    tables = {table.name for section in sections for table in section.tables}
    # A figure and a table may share a name: they are then made together.
    assert len(tables) == len([t for section in sections for t in section.tables])
    assert len({section.id for section in sections}) == len(sections)
    assert {"plans", "latency", "variants"} <= set(names)


def test_one_figure_alone_is_the_report_s(folder):
    write_report(folder, folder / "all")
    made = write_only(folder, folder / "one", "latency")
    assert sorted(path.suffix for path in made) == [".csv", ".md", ".pdf", ".png", ".tex"]
    assert set((folder / "one").rglob("*.*")) == set(made)
    for path in made:
        same = folder / "all" / path.relative_to(folder / "one")
        assert path.read_bytes() == same.read_bytes()


def test_an_unknown_name_is_one_line_with_those_known(folder):
    command = [sys.executable, "-m", "reports", "--results", folder, "--out", folder / "one"]
    done = subprocess.run([*command, "--only", "plan"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"error: --only: 'plan' is not in .*choose one of .*plans.*\n", done.stderr)
    assert not (folder / "one").exists()


def test_page_tells_how_to_make_each_figure_again(html):
    assert "--results results/made-up --out results/made-up/report --only plans" in html


# --- LaTeX


def test_latex_escapes_what_tex_would_read():
    assert escaped("50 % & a_b {×2} \\ #1 $x ~ ^") == (
        r"50 \% \& a\_b \{$\times$2\} \textbackslash{} \#1 \$x \textasciitilde{} \textasciicircum{}"
    )


def test_latex_has_a_rule_and_a_cell_for_everything():
    text = latex(pd.DataFrame({"a": ["1", "[2"], "b": ["x", "y"]}), "Title", "A note.")
    assert text.count("rule") == 3
    assert r"a & b \\" in text
    assert r"{}[2 & y \\" in text
    assert r"\begin{tabular}{ll}" in text
    assert r"\caption{Title. A note.}" in text


def test_latex_tables_hold_nothing_that_needs_more_than_booktabs(folder):
    for table in (table for section in made_sections(folder) for table in section.tables):
        left = set(latex(table.shown, table.title, table.note)) - set(map(chr, range(32, 127)))
        assert not {c for c in left if ord(c) > 0xFF} - {"\n"}, (table.name, left)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_latex_tables_compile(folder):
    write_report(folder, folder / "out")
    inputs = "".join(
        f"\\input{{{path}}}\\clearpage\n" for path in (folder / "out" / "tables").glob("*.tex")
    )
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}"
    (folder / "paper.tex").write_text(f"{head}\\begin{{document}}{inputs}\\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# --- the bench


def arm(name, milliseconds, messages):
    rank = BenchRank(
        weight_bytes=1,
        cache_bytes=1,
        step_bytes=1,
        prefill_messages=[],
        decode_messages=[("sum", 2, 8, messages)],
        peak_bytes=None,
    )
    samples = [[milliseconds / 1e3] * 2 for _ in range(3)]
    fixed = {"runs": "engine", "plan": {}, "slug": "", "depth": 4, "layout": {}, "mode": "eager"}
    return BenchSystem(name=name, communicator="default", ranks=[rank], samples=samples, **fixed)


def bench(arms):
    return EngineBench(
        model=MODEL,
        workload={"batch": 1},
        provenance=PROVENANCE,
        systems=arms,
        message_seconds={name: [0.001, 0.001, 0.001] for name in ("a", "b")},
    )


def test_parts_of_a_step_add_up_to_what_was_measured():
    arms = [
        arm("a", 10, 2),
        arm("a-no-communication", 6, 0),
        arm("b", 7, 5),
        arm("b-no-communication", 6, 0),
    ]
    parts = step_breakdown.step_parts(bench([*arms, arm("alone", 3, 1)])).set_index("system")
    assert list(parts.index) == ["a", "b"]
    assert parts.loc["a"].tolist() == pytest.approx([10, 6, 2, 2, 8])
    # Five messages of 1 ms overlap with computing: the step has room for one.
    assert parts.loc["b"].tolist() == pytest.approx([7, 6, 1, 0, 11])


def test_a_bench_in_the_folder_is_drawn(folder):
    assert "figure-step-breakdown" not in write_report(folder, folder / "out").read_text()
    write_json(
        folder / "bench.json",
        bench([arm("a", 10, 2), arm("a-no-communication", 6, 0)]).model_dump(),
    )
    assert 'id="figure-step-breakdown"' in write_report(folder, folder / "out").read_text()
    (folder / "bench.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bench\.json: is no bench"):
        load_results(folder)


# --- what figures show


def drawn_at(figure):
    """[(x, y)] of every marker."""
    axes = figure.axes[0]
    return {
        (round(float(x), 3), round(float(y), 3))
        for line in axes.lines
        if line.get_marker() not in ("None", "none", None)
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_quality_stands_at_its_time(folder):
    results = load_results(folder)
    own = Estimates(results)
    figure = quality_by_latency.quality_by_latency(
        results, own.perplexities, own.accuracies, own.latencies
    )
    ratio = own.perplexities.query("variant == 'pairs' and text == 'all texts'")["ratio"].item()
    time = own.latencies.query("variant == 'pairs' and backend == 'engine' and phase == 'decode'")
    assert (round(time["ratio"].item().value, 3), round(ratio.value, 3)) in drawn_at(figure)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one device", "2 ranks"]


def test_speed_by_group_size_leaves_out_bypass_and_removal(folder):
    results = load_results(folder)
    figure = quality_by_latency.speed_by_group_size(results, Estimates(results).latencies)
    # dense and pairs, each on one device and on two ranks.
    assert len(drawn_at(figure)) == 4
    assert "batch 1, prompt 8; Imaginary CPU" in figure.axes[0].get_title(loc="left")


def test_a_hundred_variants(tmp_path):
    from made_up_study import fill_study, study_variants

    folder = fill_study(tmp_path / "study", ranks=(2,))
    page = write_report(folder, folder / "out").read_text()
    assert len(study_variants()) > 100
    assert {path.stem for path in (folder / "out" / "figures").glob("*.pdf")} >= {
        "bypass-study",
        "plans",
        "quality-by-latency",
        "rules",
        "speed-by-group-size",
    }
    # blockpruner is asked for at three depths of five: gaps are dashes.
    assert re.search(r"blockpruner</th><td>Removal</td>.*<td>–</td><td>–</td></tr>", page)
    lead = page[page.index('<div class="lead">') :]
    assert len(lead[: lead.index("</div>")].split()) < 450

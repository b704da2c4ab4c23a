"""Sections: their names, and a single figure or table of them."""

from __future__ import annotations

import re
import sys

import pytest

from cqil.cli.run_app import run_app
from reports.__main__ import app
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.page.page import write_only, write_report
from reports.page.section_order import SECTIONS


def test_names_are_unique_and_every_one_can_be_made_alone(folder):
    results = load_results(folder)
    made = [make(results, Estimates(results)) for make in SECTIONS]
    sections = [section for section in made if section is not None]
    names = [block.name for section in sections for block in (*section.drawings, *section.tables)]
    tables = {table.name for section in sections for table in section.tables}
    # A figure and a table may share a name: they are then made together.
    assert len(tables) == len([t for section in sections for t in section.tables])
    assert len({section.id for section in sections}) == len(sections)
    assert {"plans", "latency", "variants"} <= set(names)


def test_one_figure_alone_is_that_of_the_report(folder, drawn_report):
    made = write_only(folder, folder / "one", "latency")
    assert sorted(path.suffix for path in made) == [".csv", ".md", ".pdf", ".png", ".tex"]
    assert set((folder / "one").rglob("*.*")) == set(made)
    for path in made:
        same = drawn_report / path.relative_to(folder / "one")
        assert path.read_bytes() == same.read_bytes()


def test_an_unknown_name_is_one_line_with_those_known(folder, monkeypatch, capsys):
    arguments = ["--results", str(folder), "--out", str(folder / "one"), "--only", "plan"]
    monkeypatch.setattr(sys, "argv", ["reports", "report", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_app(app)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: --only: 'plan' is not in .*choose one of .*plans.*\n", error)
    assert not (folder / "one").exists()


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

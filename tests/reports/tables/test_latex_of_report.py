"""LaTeX of the report's own tables: escaped, ruled, and compiled where there is a pdflatex."""

from __future__ import annotations

import shutil
import subprocess

import pandas as pd
import pytest

from reports.data.load_results import load_results
from reports.page.page import Report
from reports.tables.latex import escaped, latex


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
    sections = Report(load_results(folder)).sections
    for table in (table for section in sections for table in section.tables):
        left = set(latex(table.shown, table.title, table.note)) - set(map(chr, range(32, 127)))
        assert not {c for c in left if ord(c) > 0xFF} - {"\n"}, (table.name, left)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_latex_tables_compile(drawn_report, tmp_path):
    tables = (drawn_report / "tables").glob("*.tex")
    inputs = "".join(f"\\input{{{path}}}\\clearpage\n" for path in tables)
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}"
    (tmp_path / "paper.tex").write_text(f"{head}\\begin{{document}}{inputs}\\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]

"""LaTeX tables hold text that pandas' own escaping would break."""

from __future__ import annotations

import pandas as pd

from reports.tables.latex import latex


def test_a_table_is_ruled_and_captioned():
    shown = pd.DataFrame({"a_b": ["×1.50 [1.4, 1.6]", "[n/a]"], "p": ["< 0.001", "−3 %"]})
    assert latex(shown, "50 %", "A note.").splitlines() == [
        r"\begin{table}",
        r"\caption{50 \%. A note.}",
        r"\begin{tabular}{ll}",
        r"\toprule",
        r"a\_b & p \\",
        r"\midrule",
        r"$\times$1.50 [1.4, 1.6] & \textless{} 0.001 \\",
        r"{}[n/a] & $-$3 \% \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_a_table_without_rows_keeps_its_heads():
    text = latex(pd.DataFrame({"a": [], "b": []}), "Title")
    assert r"a & b \\" in text
    assert r"\caption{Title.}" in text

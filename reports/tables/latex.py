"""Tables for a paper: LaTeX, ruled by booktabs."""

from __future__ import annotations

import re

import pandas as pd

ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "–": "--",
    "—": "---",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
}
_SPECIAL = re.compile("|".join(map(re.escape, ESCAPES)))


def escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: ESCAPES[found[0]], text)


def latex(shown: pd.DataFrame, title: str, note: str = "") -> str:
    """A `table` of text cells; needs `\\usepackage{booktabs}` and nothing else."""
    rows = [_row(shown.columns), r"\midrule", *map(_row, shown.itertuples(index=False, name=None))]
    caption = escaped(f"{title}. {note}".strip())
    lines = [
        r"\begin{table}",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{'l' * len(shown.columns)}}}",
        r"\toprule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: object) -> str:
    # A cell that begins with a bracket would be read as the option of the line break before it.
    texts = (escaped(str(cell)) for cell in cells)
    return " & ".join(f"{{}}{text}" if text.startswith("[") else text for text in texts) + r" \\"

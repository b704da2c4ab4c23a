"""Tables for a paper: LaTeX, ruled by booktabs.

pandas lays the table out. Its own escaping is not used: it leaves `<` and `>`, which show as other
characters in LaTeX's default font encoding, the signs that are not ASCII, the caption, and
brackets that begin a row.
"""

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
    """The text as LaTeX prints it."""
    return _SPECIAL.sub(lambda match: ESCAPES[match[0]], text)


def latex(shown: pd.DataFrame, title: str, note: str = "") -> str:
    """A `table` of text cells; needs `\\usepackage{booktabs}` and nothing else."""
    cells = shown.map(_cell).rename(columns=_cell)
    return cells.to_latex(
        index=False,
        escape=False,
        caption=escaped(f"{title}. {note}".strip()),
        column_format="l" * shown.shape[1],
    )


def _cell(value: object) -> str:
    text = escaped(str(value))
    # LaTeX reads a bracket after a line break as the option of that line break.
    return f"{{}}{text}" if text.startswith("[") else text

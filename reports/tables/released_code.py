"""The rules of the suite beside released code: how many cases are equal, and what differs."""

from __future__ import annotations

import pandas as pd

from reports.released_code.comparisons import ReleasedCode, RuleComparison
from reports.tables.table import Table

SHORT = 7
"""Digits of a commit on the page."""


def released_code(released: ReleasedCode) -> Table:
    """A row for each rule; the file has inputs and what differs too."""
    shown = pd.DataFrame([_row(comparison) for comparison in released.comparisons])
    whole = [
        {
            "of": c.publication,
            "inputs": c.inputs,
            "compared": "; ".join(map(str, c.agreements)),
            "largest difference": c.largest_difference,
            "snapshots": "; ".join(f"{file} at {commit}" for file, commit in c.snapshots.items()),
            "differs": " ".join(c.differs),
        }
        for c in released.comparisons
    ]
    data = pd.concat([shown, pd.DataFrame(whole)], axis=1)
    return Table("released-code", "Rules beside released code", data, shown)


def details(comparison: RuleComparison) -> str:
    """What was compared, how far it was apart, and what differs, as a paragraph."""
    equal = "; ".join(map(str, comparison.agreements))
    return (
        f"{comparison.publication}. {_sentence(comparison.inputs)} Equal: {_sentence(equal)} "
        f"Largest difference: {_sentence(comparison.largest_difference)} "
        + " ".join(comparison.differs)
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(comparison: RuleComparison) -> dict[str, str]:
    commits = dict.fromkeys(commit[:SHORT] for commit in comparison.snapshots.values())
    return {
        "rule": comparison.rule.removeprefix("method: "),
        "equal cases": ", ".join(f"{a.equal} of {a.of}" for a in comparison.agreements),
        "released code": f"{comparison.repository}, {', '.join(commits)}",
        "by": comparison.by,
    }

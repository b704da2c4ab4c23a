"""The rules of the suite beside released code: how many cases are equal, and what differs."""

from __future__ import annotations

import pandas as pd

from reports.released_code.comparisons import ReleasedCode, RuleComparison
from reports.tables.table import Table

SHORT = 7
"""Digits of a commit on the page."""


def released_code(released: ReleasedCode) -> Table:
    """A row for each rule; the file has what differs too."""
    shown = pd.DataFrame([_row(comparison) for comparison in released.comparisons])
    whole = [
        {
            "snapshots": "; ".join(f"{file} at {commit}" for file, commit in c.snapshots.items()),
            "differs": " ".join(c.differs),
        }
        for c in released.comparisons
    ]
    data = pd.concat([shown, pd.DataFrame(whole)], axis=1)
    return Table("released-code", "Rules beside released code", data, shown)


def _row(comparison: RuleComparison) -> dict[str, str]:
    commits = dict.fromkeys(commit[:SHORT] for commit in comparison.snapshots.values())
    return {
        "rule": comparison.rule,
        "of": comparison.publication,
        "released code": f"{comparison.repository} ({comparison.by}), {', '.join(commits)}",
        "inputs": comparison.inputs,
        "equal": "; ".join(map(str, comparison.agreements)),
        "largest difference": comparison.largest_difference,
    }

"""What a bypass does to the same groups."""

from __future__ import annotations

from reports import summary, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Section

ALONE = "This run has no pair of variants that differ in the bypass alone."


def section(results: Results, estimates: Estimates) -> Section:
    table = tables.bypass_table(estimates.bypass)
    findings = [("", sentence) for sentence in summary.bypass_verdicts(estimates.bypass)]
    blocks = [table] if len(table.shown) else [ALONE, table]
    return Section("bypass", "Attention bypass", blocks, findings)

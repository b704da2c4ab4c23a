"""What a bypass does to the same groups."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import bypass_study
from reports.page.section import Block, Drawing, PageSection
from reports.tables.comparisons import bypass_table
from reports.text import summary

ALONE = "This run has no pair of variants that differ in the bypass alone."


def section(results: Results, estimates: Estimates) -> PageSection:
    table = bypass_table(estimates.bypass)
    findings = [("", sentence) for sentence in summary.bypass_verdicts(estimates.bypass)]
    study = Drawing(
        "bypass-study",
        "Perplexity with a bypass over the same groups without, by distance and target",
        "A panel a set of groups; below 1 the bypass helps. Intervals are paired over the same "
        "windows; ffn: solid, ffn+residual: dashed; two-way and mean reach the whole group.",
        lambda: bypass_study.bypass_study(results, estimates.bypass),
    )
    blocks: list[Block] = [study, table] if len(table.shown) else [ALONE, table]
    return PageSection("bypass", "Attention bypass", blocks, findings)

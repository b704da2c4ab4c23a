"""What a bypass does to the same groups."""

from __future__ import annotations

from reports import bypass_study, summary, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Block, Drawing, Section

ALONE = "This run has no pair of variants that differ in the bypass alone."


def section(results: Results, estimates: Estimates) -> Section:
    table = tables.bypass_table(estimates.bypass)
    findings = [("", sentence) for sentence in summary.bypass_verdicts(estimates.bypass)]
    study = Drawing(
        "bypass-study",
        "Perplexity with a bypass over the same groups without, by distance and target",
        "A panel a set of groups; below 1 the bypass helps. Intervals are paired over the same "
        "windows; ffn: solid, ffn+residual: dashed; two-way and mean reach the whole group.",
        lambda: bypass_study.bypass_study(results, estimates.bypass),
    )
    blocks: list[Block] = [study, table] if len(table.shown) else [ALONE, table]
    return Section("bypass", "Attention bypass", blocks, findings)

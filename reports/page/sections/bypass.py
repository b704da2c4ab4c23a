"""What a bypass does to the perplexity of the same groups."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import bypass_study
from reports.page.section import Block, Drawing, PageSection
from reports.tables.comparisons import bypass_table

NOTHING_TO_COMPARE = "No two variants of this run differ in the bypass only."


def section(results: Results, estimates: Estimates) -> PageSection:
    """The figure and the table of bypass modes."""
    table = bypass_table(estimates.bypass)
    study = Drawing(
        "bypass-study",
        "Perplexity with a bypass over that without, same groups, by distance and target",
        "One panel for each set of groups; below 1 the bypass helps. Intervals are paired over the "
        "same windows. Solid: ffn; dashed: ffn+residual; two-way and mean reach the whole group.",
        lambda: bypass_study.bypass_study(results, estimates.bypass),
    )
    blocks: list[Block] = [study if len(table.shown) else NOTHING_TO_COMPARE, table]
    return PageSection("bypass", "Attention bypass", blocks)

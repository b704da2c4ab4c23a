"""Perplexity and accuracy against depth, and grouping against removal."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.quality_by_depth import accuracy_by_depth, perplexity_by_depth
from reports.page.section import Block, Drawing, PageSection, SideBySide
from reports.tables.comparisons import removal_table
from reports.tables.scores import FIRST_TOKEN
from reports.text import summary

HEALED = (
    "A ring marks healed variants, whose weights were fitted to their plan. The comparison below "
    "leaves them out; they are compared under Recovery."
)
MAX_COMPARED_PLANS = 12
"""With more grouped plans, only the best plan of each depth is compared with removal."""


def section(results: Results, estimates: Estimates) -> PageSection:
    """Both figures, and the comparison of grouping with removal."""
    perplexity = Drawing(
        "perplexity-by-depth",
        "Perplexity against depth, a marker for each variant",
        "Perplexity over all texts with its interval; the dashed line is dense. An arrow stands "
        "for a value beyond the axis. Variants of one depth stand side by side. For skipping, "
        f"{FIRST_TOKEN}.",
        lambda: perplexity_by_depth(results, estimates.perplexities),
    )
    accuracy = Drawing(
        "accuracy-by-depth",
        "Mean accuracy against depth, a marker for each variant",
        "Mean accuracy over tasks with its interval. Dashed: dense; dotted: guessing. For "
        f"skipping, {FIRST_TOKEN}.",
        lambda: accuracy_by_depth(results, estimates.accuracies),
    )
    grouped = [variant for variant in results.unhealed if variant.family == "cqil"]
    if len(grouped) > MAX_COMPARED_PLANS:
        table = removal_table(estimates.leaders)
        findings = list(summary.leader_verdicts(estimates.leaders))
    else:
        table = removal_table(estimates.removal)
        findings = list(summary.removal_verdicts(estimates.removal))
    blocks: list[Block] = [SideBySide([perplexity, accuracy]), table]
    if results.healed:
        blocks.insert(1, HEALED)
    return PageSection("depth", "Quality against depth", blocks, findings)

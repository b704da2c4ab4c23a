"""Perplexity and accuracy against depth, and grouping against removal."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import quality_by_depth
from reports.page.section import Drawing, PageSection, SideBySide
from reports.tables.comparisons import removal_table
from reports.tables.scores import FIRST_TOKEN
from reports.text import summary

MANY = 12
"""With more grouped plans than these only the best of each depth is compared with removal."""


def section(results: Results, estimates: Estimates) -> PageSection:
    perplexity = Drawing(
        "perplexity-by-depth",
        "Perplexity against depth, a marker a variant",
        "Perplexity over all texts with its interval; the dashed line is dense. Arrows: beyond the "
        "axis, with the value. Variants of one depth stand side by side. For skipping, "
        f"{FIRST_TOKEN}.",
        lambda: quality_by_depth.perplexity_by_depth(results, estimates.perplexities),
    )
    accuracy = Drawing(
        "accuracy-by-depth",
        "Mean accuracy against depth, a marker a variant",
        "Mean accuracy over tasks with its interval; dashed: dense, dotted: guessing. For "
        f"skipping, {FIRST_TOKEN}.",
        lambda: quality_by_depth.accuracy_by_depth(results, estimates.accuracies),
    )
    grouped = [v for v in results.variants.values() if v.family == "cqil"]
    if len(grouped) > MANY:
        compared, verdicts = estimates.leaders, summary.leader_verdicts(estimates.leaders)
    else:
        compared, verdicts = estimates.removal, summary.removal_verdicts(estimates.removal)
    blocks = [SideBySide([perplexity, accuracy]), removal_table(compared)]
    return PageSection("depth", "Quality against depth", blocks, list(verdicts))

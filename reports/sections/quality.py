"""Perplexity and accuracy against depth, and grouping against removal."""

from __future__ import annotations

from reports import depth, summary, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.scores import FIRST_TOKEN
from reports.section import Drawing, Row, Section

MANY = 12
"""With more grouped plans than these only the best of each depth is compared with removal."""


def section(results: Results, estimates: Estimates) -> Section:
    perplexity = Drawing(
        "perplexity-by-depth",
        "Perplexity against depth, a marker a variant",
        "Perplexity over all texts with its interval; the dashed line is dense. Arrows: beyond the "
        "axis, with the value. Variants of one depth stand side by side. For skipping, "
        f"{FIRST_TOKEN}.",
        lambda: depth.perplexity_by_depth(results, estimates.perplexities),
    )
    accuracy = Drawing(
        "accuracy-by-depth",
        "Mean accuracy against depth, a marker a variant",
        "Mean accuracy over tasks with its interval; dashed: dense, dotted: guessing. For "
        f"skipping, {FIRST_TOKEN}.",
        lambda: depth.accuracy_by_depth(results, estimates.accuracies),
    )
    grouped = [v for v in results.variants.values() if v.family == "cqil"]
    if len(grouped) > MANY:
        compared, verdicts = estimates.leaders, summary.leader_verdicts(estimates.leaders)
    else:
        compared, verdicts = estimates.removal, summary.removal_verdicts(estimates.removal)
    blocks = [Row([perplexity, accuracy]), tables.removal_table(compared)]
    return Section("depth", "Quality against depth", blocks, list(verdicts))

"""Perplexity and accuracy against depth, and grouping against removal."""

from __future__ import annotations

from reports import curves, depth, summary, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.scores import FIRST_TOKEN
from reports.section import Block, Drawing, Row, Section


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
    blocks: list[Block] = [Row([perplexity, accuracy])]
    if curves.rule_curves(results):
        # Every grouping against every removal would be hundreds of sentences; see the rules.
        return Section("depth", "Quality against depth", blocks)
    return Section(
        "depth",
        "Quality against depth",
        [*blocks, tables.removal_table(estimates.removal)],
        list(summary.removal_verdicts(estimates.removal)),
    )

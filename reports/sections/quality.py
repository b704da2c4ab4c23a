"""Perplexity and accuracy against depth, every rule as a curve, grouping against removal."""

from __future__ import annotations

from reports import curves, depth, summary, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.scores import FIRST_TOKEN
from reports.section import Drawing, Row, Section


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
    rules = Drawing(
        "rules",
        "Perplexity against depth, a line a rule",
        "One line a rule, with intervals; dashed: dense. Lines leave the panel where twenty times "
        "the dense perplexity is passed; the table has the values.",
        lambda: curves.perplexity_curves(results, estimates.perplexities),
    )
    return Section(
        "depth",
        "Quality against depth",
        [
            Row([perplexity, accuracy]),
            rules,
            curves.curves_table(results, estimates.perplexities),
            tables.removal_table(estimates.removal),
        ],
        list(summary.strongest_verdicts(estimates.removal)),
    )

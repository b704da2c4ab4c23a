"""Perplexity and accuracy against depth, and grouping against removal."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.quality_by_depth import accuracy_by_depth, perplexity_by_depth
from reports.page.section import Block, Drawing, Fold, PageSection, SideBySide
from reports.tables.comparisons import removal_table
from reports.tables.scores import FIRST_TOKEN

HEALED = (
    "A ring marks healed variants, whose weights were fitted to their plan. The comparison below "
    "leaves them out; they are compared under Recovery."
)


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
    pairs = estimates.removal_pairs
    is_random = pairs["is_random"]
    random = removal_table(pairs[is_random], "random-removal", "Random removal")
    blocks: list[Block] = [
        SideBySide([perplexity, accuracy]),
        removal_table(pairs[~is_random], "grouping-or-removal", "Grouping or removal"),
        Fold(random.title, [random]),
    ]
    if results.healed:
        blocks.insert(1, HEALED)
    return PageSection("depth", "Quality against depth", blocks)

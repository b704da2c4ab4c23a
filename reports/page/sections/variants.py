"""All variants side by side, what was not measured, and the scores by text and by task."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Fold, PageSection
from reports.tables import scores
from reports.tables.comparisons import missing_table


def section(results: Results, estimates: Estimates) -> PageSection:
    """The tables of scores."""
    perplexity = scores.perplexity_table(estimates.perplexities)
    accuracy = scores.accuracy_table(estimates.accuracies)
    return PageSection(
        "variants",
        "All variants",
        [
            scores.variants_table(results, estimates.perplexities, estimates.accuracies),
            missing_table(results),
            Fold(perplexity.title, [perplexity]),
            Fold(accuracy.title, [accuracy]),
        ],
    )

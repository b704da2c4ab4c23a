"""All variants side by side, what is missing, and the scores by text and by task."""

from __future__ import annotations

from reports import scores, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Fold, Section


def section(results: Results, estimates: Estimates) -> Section:
    perplexity = scores.perplexity_table(estimates.perplexities)
    accuracy = scores.accuracy_table(estimates.accuracies)
    return Section(
        "variants",
        "All variants",
        [
            scores.variants_table(results, estimates.perplexities, estimates.accuracies),
            tables.missing_table(results),
            Fold(perplexity.title, [perplexity]),
            Fold(accuracy.title, [accuracy]),
        ],
    )

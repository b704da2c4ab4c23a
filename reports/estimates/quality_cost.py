"""What each variant costs in quality, to stand beside its times."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.results import Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rows import find_row


@dataclass(frozen=True)
class QualityCost:
    """What a variant costs beside dense; None is what was not measured."""

    perplexity_ratio: Estimate | None
    accuracy_difference: Estimate | None
    """In percentage points."""

    @property
    def is_known(self) -> bool:
        """Whether either was measured."""
        return self.perplexity_ratio is not None or self.accuracy_difference is not None


def quality_costs(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> dict[str, QualityCost]:
    """Variant -> what it costs: over all texts together, and in the mean over tasks.

    Neither is given where the variant was timed at another depth than it was scored at.
    """
    costs = {}
    for name in results.variants:
        if not results.timed_as_scored(name):
            costs[name] = QualityCost(None, None)
            continue
        text_row = find_row(perplexities, name, "text", ALL)
        task_row = find_row(accuracies, name, "task", MEAN)
        costs[name] = QualityCost(
            None if text_row is None else text_row["ratio"],
            None if task_row is None else task_row["difference"],
        )
    return costs

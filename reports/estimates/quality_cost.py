"""What each variant costs in quality, to stand beside its times."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.results_folder import Results
from reports.estimates.quality import ALL, MEAN
from reports.tables.table import find_row


@dataclass(frozen=True)
class QualityCost:
    """What a variant costs; None is what was not measured."""

    perplexity_ratio: Estimate | None
    accuracy_difference: Estimate | None

    @property
    def is_known(self) -> bool:
        return self.perplexity_ratio is not None or self.accuracy_difference is not None


def quality_costs(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> dict[str, QualityCost]:
    """Of every variant: all texts together, and the mean over tasks."""
    found = {}
    for name in results.variants:
        text, task = (
            find_row(perplexities, name, "text", ALL),
            find_row(accuracies, name, "task", MEAN),
        )
        found[name] = QualityCost(
            None if text is None else text["ratio"],
            None if task is None else task["difference"],
        )
    return found

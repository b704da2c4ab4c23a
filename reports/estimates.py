"""Every estimate of a report, each computed once and only where something asks for it."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from reports import comparisons, latencies, measures
from reports.latency_table import Quality, qualities
from reports.load import Results


class Estimates:
    """Sections share it; what each frame holds is said where it is made."""

    def __init__(self, results: Results) -> None:
        self.results = results

    @cached_property
    def perplexities(self) -> pd.DataFrame:
        return measures.perplexities(self.results)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        return measures.accuracies(self.results)

    @cached_property
    def latencies(self) -> pd.DataFrame:
        return latencies.latencies(self.results)

    @cached_property
    def qualities(self) -> dict[str, Quality]:
        """What each variant costs, to stand beside its times."""
        return qualities(self.results, self.perplexities, self.accuracies)

    @cached_property
    def leaders(self) -> pd.DataFrame:
        return comparisons.best_of_each_depth(self.results)

    @cached_property
    def removal(self) -> pd.DataFrame:
        return comparisons.removal_at_same_depth(self.results)

    @cached_property
    def bypass(self) -> pd.DataFrame:
        return comparisons.bypass_modes(self.results)

    @cached_property
    def searched(self) -> pd.DataFrame:
        return comparisons.searched_against_others(self.results)

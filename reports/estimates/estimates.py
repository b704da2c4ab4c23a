"""Every estimate of a report, each computed once and only where something asks for it."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from reports.data.results_folder import Results
from reports.estimates import comparisons, latency, quality
from reports.estimates.quality_cost import QualityCost, quality_costs


class Estimates:
    """Sections share it; what each frame holds is said where it is made."""

    def __init__(self, results: Results) -> None:
        self.results = results

    @cached_property
    def perplexities(self) -> pd.DataFrame:
        return quality.perplexities(self.results)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        return quality.accuracies(self.results)

    @cached_property
    def latencies(self) -> pd.DataFrame:
        return latency.latency_estimates(self.results)

    @cached_property
    def qualities(self) -> dict[str, QualityCost]:
        """What each variant costs, to stand beside its times."""
        return quality_costs(self.results, self.perplexities, self.accuracies)

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

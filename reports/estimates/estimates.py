"""Every estimate of a report, computed when it is first used, and kept."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from benchmarks.cost_model.fastest_methods import MACHINE, Panels, fastest_panels
from benchmarks.cost_model.machine import load_machine
from reports.data.results import Results
from reports.estimates import comparisons, healed_pairs, latency, quality, recovery
from reports.estimates.quality_cost import QualityCost, quality_costs


class Estimates:
    """Shared by all sections; the function that makes a frame says what it holds."""

    def __init__(self, results: Results) -> None:
        self.results = results

    @cached_property
    def perplexities(self) -> pd.DataFrame:
        """`quality.perplexities`."""
        return quality.perplexities(self.results)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        """`quality.accuracies`."""
        return quality.accuracies(self.results)

    @cached_property
    def latencies(self) -> pd.DataFrame:
        """`latency.latency_estimates`."""
        return latency.latency_estimates(self.results)

    @cached_property
    def rounds(self) -> latency.RoundSeconds:
        """`latency.round_seconds`."""
        return latency.round_seconds(self.results)

    @cached_property
    def qualities(self) -> dict[str, QualityCost]:
        """Variant -> what it costs in quality."""
        return quality_costs(self.results, self.perplexities, self.accuracies)

    @cached_property
    def removal_pairs(self) -> pd.DataFrame:
        """`comparisons.removal_pairs`."""
        return comparisons.removal_pairs(self.results)

    @cached_property
    def removal(self) -> pd.DataFrame:
        """`comparisons.removal_at_same_depth`."""
        return comparisons.removal_at_same_depth(self.results)

    @cached_property
    def bypass(self) -> pd.DataFrame:
        """`comparisons.bypass_modes`."""
        return comparisons.bypass_modes(self.results)

    @cached_property
    def searched(self) -> pd.DataFrame:
        """`comparisons.searched_against_others`."""
        return comparisons.searched_against_others(self.results)

    @cached_property
    def projected_panels(self) -> Panels:
        """`fastest_methods.fastest_panels` of the preset that the page projects for."""
        return fastest_panels(load_machine(MACHINE))

    @cached_property
    def recoveries(self) -> pd.DataFrame:
        """`recovery.recoveries`."""
        return recovery.recoveries(self.results, self.accuracies, self.rounds)

    @cached_property
    def healed_removal(self) -> pd.DataFrame:
        """`healed_pairs.healed_removal_at_same_depth`."""
        return healed_pairs.healed_removal_at_same_depth(self.results)

    @cached_property
    def ways(self) -> pd.DataFrame:
        """`healed_pairs.ways_at_equal_plan`."""
        return healed_pairs.ways_at_equal_plan(self.results)

"""Tables of healed variants against one another."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.measured_on import healing_machines, scoring_machines
from reports.data.number_format import (
    points_with_interval,
    significant,
    times,
    with_interval,
)
from reports.data.results import Results
from reports.tables.recovery import NOT_KNOWN, token_count
from reports.tables.table import Table


def healed_removal_table(results: Results, comparison: pd.DataFrame) -> Table:
    """Grouping against removal; `comparison` of `healed_removal_at_same_depth`."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "how": comparison["how"],
            "tokens": comparison["tokens"].map(token_count),
            "grouped": comparison["grouped"],
            "removal": comparison["removal"],
            "perplexity, removal / grouped": comparison["ratio"].map(_factor),
            "removal is": comparison["verdict"],
            "before healing": comparison["ratio_before"].map(_factor),
            "accuracy, grouped − removal, points": comparison["accuracy_difference"].map(
                points_with_interval
            ),
        }
    )
    note = (
        "Healed by the same recipe on as many tokens. All texts, paired over the same windows; "
        "above ×1 the grouped plan is better. Before healing: the same ratio of the unhealed "
        f"plans. Accuracy: mean over tasks, paired over documents. {_where(results)}"
    )
    title = "Does grouping still win after healing?"
    return Table("healed-grouping-or-removal", title, comparison, shown, note)


def ways_table(results: Results, comparison: pd.DataFrame, recoveries: pd.DataFrame) -> Table:
    """Ways to heal one plan; `comparison` of `ways_at_equal_plan`."""
    costs = {row["variant"]: _with_cost(row) for row in recoveries.to_dict("records")}
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "first": comparison["first"].map(costs),
            "second": comparison["second"].map(costs),
            "perplexity, second / first": comparison["ratio"].map(_factor),
            "second is": comparison["verdict"],
            "accuracy, first − second, points": comparison["accuracy_difference"].map(
                points_with_interval
            ),
        }
    )
    note = (
        "Same plan, all texts, paired over the same windows; above ×1 the first is better. "
        f"Accuracy: mean over tasks, paired over documents. {_where(results)}"
    )
    return Table("ways-to-heal", "Which way to heal?", comparison, shown, note)


def _with_cost(row: dict[Any, Any]) -> str:
    """`cqil-p2-lora (LoRA, 65,536 tokens, 4.20 min)`"""
    parts = [row["how"]]
    if not math.isnan(row["tokens"]):
        parts += [f"{token_count(row['tokens'])} tokens", f"{significant(row['minutes'])} min"]
    return f"{row['variant']} ({', '.join(parts)})"


def _where(results: Results) -> str:
    machine = healing_machines(results)
    healed = f"Healed on: {machine}. " if machine else ""
    return f"{healed}Scored on: {scoring_machines(results)}."


def _factor(ratio: Estimate) -> str:
    return NOT_KNOWN if math.isnan(ratio.value) else with_interval(ratio, times)

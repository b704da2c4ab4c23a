"""The table of healed variants: how much of what a plan loses comes back, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.labels import family_name
from reports.data.measured_on import healing_machines, latency_setting, scoring_machines
from reports.data.number_format import percent, points, significant, tenths, times, with_interval
from reports.data.results import Results
from reports.estimates.recovery import healed_texts
from reports.tables.table import Table, missing_cell

NO_GAP = "no gap"
NO_TWIN = "not in this run"
NOT_KNOWN = "–"


def recovery_table(results: Results, recoveries: pd.DataFrame) -> Table:
    """One row a healed variant; `recoveries` of that name's estimate."""
    shown = pd.DataFrame(_cells(results, row) for row in recoveries.to_dict("records"))
    optional = {"closed elsewhere, %": "gap_elsewhere", "decode / unhealed": "decode_ratio"}
    unused = [head for head, column in optional.items() if not _any_known(recoveries[column])]
    shown = shown.drop(columns=unused)
    return Table("recovery", "How much comes back", recoveries, shown, _note(results, recoveries))


def _cells(results: Results, row: dict[Any, Any]) -> dict[str, str]:
    return {
        "variant": row["variant"],
        "family": family_name(row["family"]),
        "unhealed": row["twin"] or NO_TWIN,
        "depth": f"{row['depth']:g}",
        "how": row["how"],
        "tokens": token_count(row["tokens"]),
        "minutes": NOT_KNOWN if math.isnan(row["minutes"]) else significant(row["minutes"]),
    } | _score_cells(results, row)


def token_count(tokens: float) -> str:
    """`65,536`; a dash where it is not known."""
    return NOT_KNOWN if math.isnan(tokens) else f"{tokens:,.0f}"


def _any_known(estimates: pd.Series) -> bool:
    return not all(math.isnan(estimate.value) for estimate in estimates)


def _score_cells(results: Results, row: dict[Any, Any]) -> dict[str, str]:
    tasks, timing = list(results.config["multiple_choice"]), _timing(results)
    cells = {}
    for head, column, name, measurements, number in (
        ("perplexity before", "before", row["twin"], ["perplexity"], significant),
        ("after", "after", row["variant"], ["perplexity"], significant),
        ("accuracy before, %", "accuracy_before", row["twin"], tasks, tenths),
        ("accuracy after, %", "accuracy_after", row["variant"], tasks, tenths),
        ("after − before, points", "accuracy_difference", row["variant"], tasks, points),
        ("decode / unhealed", "decode_ratio", row["variant"], timing, times),
    ):
        cells[head] = _cell(results, row[column], name, measurements, number)
        if column == "after":
            cells["closed, %"] = _share_cell(row["gap"], row["closed"])
            cells["closed elsewhere, %"] = _share_cell(
                row["gap_elsewhere"], row["closed_elsewhere"]
            )
    return cells


def _cell(
    results: Results,
    estimate: Estimate,
    variant: str,
    measurements: list[str],
    number: Callable[[float], str],
) -> str:
    """The number, or why there is none."""
    if not math.isnan(estimate.value):
        return with_interval(estimate, number)
    return missing_cell(results, variant, measurements)


def _share_cell(gap: Estimate, closed: Estimate) -> str:
    if math.isnan(gap.value):
        return NOT_KNOWN
    return NO_GAP if math.isnan(closed.value) else with_interval(closed, percent)


def _timing(results: Results) -> list[str]:
    return [f"latency/engine/{workload}" for workload in results.workloads[:1]]


def _note(results: Results, recoveries: pd.DataFrame) -> str:
    near, elsewhere = healed_texts(results)
    parts = [
        f"Perplexity over {', '.join(near) or 'no text'}. Closed: share of the log-perplexity "
        "above dense that healing brings back, ln(before / after) over ln(before / dense), all of "
        f"the same windows; {NO_GAP}: the interval of ln(before / dense) is not above 0, so there "
        "is no share."
    ]
    if elsewhere:
        parts.append(f"Elsewhere: {', '.join(elsewhere)}, text of another kind than what heals.")
    parts.append("Accuracy: mean over tasks; the difference is paired over documents.")
    if machine := healing_machines(results):
        parts.append(
            "Tokens and minutes: of all steps; minutes leave out what measuring takes. Healed on: "
            f"{machine}."
        )
    parts.append(f"Scored on: {scoring_machines(results)}.")
    if _any_known(recoveries["decode_ratio"]):
        parts.append(
            "Decode: time of a token on one device over that of the twin, drawn from the same "
            f"rounds. {latency_setting(results)}"
        )
    return " ".join(parts)

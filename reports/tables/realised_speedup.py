"""The table of requested and realised speed-up."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.data.measured_on import latency_setting
from reports.data.number_format import percent, times, with_interval
from reports.data.results import Results
from reports.estimates.realised_speedup import realised_speedups
from reports.tables.table import Table, identity

RANDOM_TEXT = (
    "Timed prompts are random tokens, and so are their continuations: where tokens leave by "
    "confidence, they leave at another depth than in the scored texts. "
)


def realised_table(results: Results) -> Table:
    """Requested and measured speed-ups; empty where nothing was timed."""
    speedups = realised_speedups(results)
    shown = pd.DataFrame(_cells(results, row) for row in speedups.to_dict("records"))
    leaves_early = any(variant.early_exit for variant in results.variants.values())
    note = (
        "Above ×1 is faster than dense on one device; ratios of medians over rounds of the sum of "
        "all decode steps (where the latency table has the median step), and of prefill and decode "
        "steps together. Depth that ran: mean of the timed steps. "
        f"{RANDOM_TEXT if leaves_early else ''}{latency_setting(results)}"
    )
    return Table("realised", "Requested and realised speed-up", speedups, shown, note)


def _cells(results: Results, row: dict[Any, Any]) -> dict[str, str]:
    return identity(results.variants[row["variant"]]) | {
        "requested": times(row["requested"]),
        "by depth that ran": times(row["by_depth"]),
        "decode, all steps": with_interval(row["decode"], times),
        "end to end": with_interval(row["end_to_end"], times),
        "end to end, % of requested": percent(row["end_to_end"].value / row["requested"]),
    }

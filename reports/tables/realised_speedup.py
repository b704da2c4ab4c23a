"""The table of requested and realised speed-up."""

from __future__ import annotations

import pandas as pd

from reports.data.results_folder import Results
from reports.estimates.realised_speedup import realised_speedups
from reports.tables import number_format
from reports.tables.table import Table, identity
from reports.text.background import latency_setting

RANDOM_TEXT = (
    "Timed prompts are random tokens and so is what follows: where tokens leave by confidence, "
    "they go to another depth than in the scored texts. "
)


def realised_table(results: Results) -> Table:
    """Empty where nothing was timed."""
    data = realised_speedups(results)
    shown = pd.DataFrame(
        identity(results.variants[row.variant])
        | {
            "requested": number_format.times(row.requested),
            "by depth that ran": number_format.times(row.by_depth),
            "decode": number_format.with_interval(row.decode, number_format.times),
            "end to end": number_format.with_interval(row.end_to_end, number_format.times),
            "end to end, % of requested": number_format.percent(
                row.end_to_end.value / row.requested
            ),
        }
        for row in data.itertuples()
    )
    note = (
        "Above ×1 is faster than dense on one device; ratios of medians over rounds of all decode "
        "steps, and of prefill and decode steps together. Depth that ran: mean of the timed steps. "
        f"{RANDOM_TEXT if any(v.early_exit for v in results.variants.values()) else ''}"
        f"{latency_setting(results)}"
    )
    return Table("realised", "Requested and realised speed-up", data, shown, note)

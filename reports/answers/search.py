"""Does a search by dynamic programming choose better layers? Asked where a run has such a plan."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.answers.answer import Answer, factor, listed
from reports.data.number_format import against


def searched(comparison: pd.DataFrame) -> Iterator[Answer]:
    """One answer over all kinds of rivals, from `searched_against_others`, or none."""
    if comparison.empty:
        return
    verdicts, numbers = [], []
    for kind, rows in comparison.groupby("kind", sort=False):
        better = (rows["verdict"] == "higher").sum()
        verdicts.append(f"than the {kind} at {better} of {len(rows)} depths")
        numbers += [
            f"depth {row['depth']:g} {factor(row['ratio'])} ({row['other']})"
            for row in rows.to_dict("records")
        ]
    yield Answer(
        "Does a search by dynamic programming choose better layers?",
        f"Better {', '.join(verdicts)}.",
        f"Perplexity of the other over that of dynamic programming: {listed(numbers)}."
        f"{_misleading_costs(comparison)}",
    )


def _misleading_costs(rows: pd.DataFrame) -> str:
    """Depths at which the search expected less loss than the other and measured more."""
    misled = rows[(rows["verdict"] == "lower") & (rows["variant_summed"] < rows["other_summed"])]
    if misled.empty:
        return ""
    depths = "; ".join(
        f"depth {row['depth']:g}: "
        f"summed {against(row['variant_summed'], row['other_summed'])}, "
        f"measured {against(row['variant_excess'], row['other_excess'])} nats"
        for row in misled.to_dict("records")
    )
    return f" Where it is worse its costs promised less loss, but they do not add up ({depths})."

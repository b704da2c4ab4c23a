"""What healing brings back, in sentences made from numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.labels import family_name
from reports.data.measured_on import healing_machines
from reports.data.number_format import percent, significant, times, with_interval
from reports.data.results import Results


def unhealed_only(results: Results) -> str:
    """What captions of comparisons add where a run holds healed variants too."""
    return " Healed variants are left out." if results.healed else ""


def recovery_sentences(recoveries: pd.DataFrame) -> Iterator[str]:
    """One sentence for each way and number of tokens: what it closes, plan by plan."""
    for (how, tokens), rows in _with_share(recoveries).groupby(
        ["how", "tokens"], sort=False, dropna=False
    ):
        shares = "; ".join(
            f"{family_name(family)} {', '.join(map(_share, of_family.to_dict('records')))}"
            for family, of_family in rows.groupby("family", sort=False)
        )
        cost = _cost(tokens, rows["minutes"])
        yield (
            f"{how[:1].upper()}{how[1:]}{cost} brings back, of the log-perplexity lost: {shares}."
        )


def pairs_sentence(comparison: pd.DataFrame) -> Iterator[str]:
    """In how many pairs healed groups beat healed removal, and the ratios; one sentence or none."""
    if comparison.empty:
        return
    ratios = "; ".join(
        f"depth {row['depth']:g}, {row['how']}: {with_interval(row['ratio'], times)} "
        f"({row['removal']} / {row['grouped']})"
        for row in comparison.to_dict("records")
    )
    yield f"{_wins(comparison)} Perplexity of healed removal over that of healed groups: {ratios}."


def recovery_finding(
    results: Results, recoveries: pd.DataFrame, comparison: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """The largest share of each family, its cost, and whether grouping still wins; or none."""
    known = _with_share(recoveries)
    if known.empty:
        return
    best = [
        max(rows.to_dict("records"), key=lambda row: row["closed"].value)
        for _, rows in known.groupby("family", sort=False)
    ]
    largest = ", ".join(
        f"{percent(row['closed'].value)} % for {family_name(row['family'])}" for row in best
    )
    numbers = "; ".join(
        f"{row['variant']} {_percent(row['closed'])}"
        f"{_cost(row['tokens'], pd.Series([row['minutes']]))}"
        for row in best
    )
    wins = f" {_wins(comparison)}" if len(comparison) else ""
    machine = healing_machines(results)
    healed_on = f" Healed on {machine}." if machine else ""
    yield (
        f"Healing brings back at most this share of the log-perplexity lost: {largest}.",
        f"The best of each family on these windows: {numbers}.{wins}{healed_on}",
    )


def _wins(comparison: pd.DataFrame) -> str:
    better = (comparison["verdict"] == "higher").sum()
    worse = (comparison["verdict"] == "lower").sum()
    known = [ratio for ratio in comparison["ratio_before"] if not math.isnan(ratio.value)]
    before = sum(ratio.verdict(1) == "higher" for ratio in known)
    return (
        f"After the same healing grouping beats removal in {better} of {len(comparison)} pairs of "
        f"one depth and loses in {worse}; without healing it beats it in {before} of {len(known)}."
    )


def _with_share(recoveries: pd.DataFrame) -> pd.DataFrame:
    return recoveries[[not math.isnan(closed.value) for closed in recoveries["closed"]]]


def _share(row: dict[Any, Any]) -> str:
    return f"{_percent(row['closed'])} ({row['twin']})"


def _percent(share: Estimate) -> str:
    """`50.0 [48.1, 52.0] %`"""
    return f"{with_interval(share, percent)} %"


def _cost(tokens: float, minutes: pd.Series) -> str:
    """` on 65,536 tokens in 3.91 to 4.20 minutes`; empty where it is not known."""
    if math.isnan(tokens):
        return ""
    low, high = significant(minutes.min()), significant(minutes.max())
    return f" on {tokens:,.0f} tokens in {low if low == high else f'{low} to {high}'} minutes"

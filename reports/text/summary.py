"""What the numbers say, in sentences made from them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.data.number_format import (
    against,
    percent,
    significant,
    times,
    with_error,
    with_interval,
)
from reports.data.results import Results
from reports.estimates.quality import ALL, MEAN

BYPASS_NAMES = {"ffn+residual": "ffn+residual (the released CQIL code, which counts it twice)"}
BYPASS_VERDICTS = {
    "lower": "better",
    "not distinguishable": "not distinguishable",
    "higher": "worse",
}


def headline(results: Results, perplexities: pd.DataFrame) -> Iterator[str]:
    """Dense, then the best variant of each depth."""
    pooled = perplexities[perplexities["text"] == ALL].set_index("variant")
    model = f"{results.model.name} ({results.model.num_layers} layers)"
    if REFERENCE not in pooled.index:
        yield f"{model}: dense has no perplexity here, so nothing is compared with it."
        return
    dense = with_interval(pooled.loc[REFERENCE, "perplexity"])
    yield f"At full depth {model} has perplexity {dense}."
    if best := _best_by_depth(results, pooled):
        unhealed = " without healing" if results.healed else ""
        yield f"The lowest perplexity at each smaller depth{unhealed}: {'; '.join(best)}."


def _best_by_depth(results: Results, pooled: pd.DataFrame) -> list[str]:
    names_by_depth: dict[float, list[str]] = {}
    for name in pooled.index.drop(REFERENCE):
        variant = results.variants[name]
        if not variant.is_healed:
            names_by_depth.setdefault(variant.depth, []).append(name)
    phrases = []
    for depth, names in sorted(names_by_depth.items(), reverse=True):
        best = min(names, key=lambda name: pooled.loc[name, "perplexity"].value)
        value = significant(pooled.loc[best, "perplexity"].value)
        phrases.append(
            f"at {depth:g}, {best} with {value} ({_factor(pooled.loc[best, 'ratio'])} dense)"
        )
    return phrases


def accuracy_range(results: Results, accuracies: pd.DataFrame) -> Iterator[str]:
    """Dense, guessing, and the range of all other unhealed variants; one sentence or none."""
    means = accuracies[accuracies["task"] == MEAN].set_index("variant")
    means = means.drop([v.name for v in results.healed], errors="ignore")
    if REFERENCE not in means.index or len(means) == 1:
        return
    shares = means["headline"].map(lambda estimate: estimate.value)
    others = shares.drop(REFERENCE)
    dense = with_error(shares[REFERENCE], means.loc[REFERENCE, "headline_se"])
    unhealed = " without healing" if results.healed else ""
    yield (
        f"Mean accuracy{unhealed} is {dense} % for dense and {percent(means['chance'].iloc[0])} % "
        f"by guessing; the others lie between {percent(others.min())} % ({others.idxmin()}) "
        f"and {percent(others.max())} % ({others.idxmax()})."
    )


def leader_verdicts(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """At how many depths the best grouping beats the best removal; one finding, or none.

    `comparison` is that of `best_of_each_depth`.
    """
    if comparison.empty:
        return
    better = (comparison["verdict"] == "higher").sum()
    ratios = (
        f"depth {row['depth']:g} {_factor(row['ratio'])} ({row['removal']} / {row['grouped']})"
        for row in comparison.to_dict("records")
    )
    yield (
        f"The best grouping beats every removal at {better} of {len(comparison)} depths.",
        "Perplexity of the best removal over that of the best grouping, both picked on these "
        f"windows: {', '.join(ratios)}.",
    )


def removal_verdicts(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Question with its answer, and the numbers, for every plain grouped plan.

    `comparison` is that of `removal_at_same_depth`.
    """
    for (depth, grouped), rows in comparison.groupby(["depth", "grouped"], sort=False):
        verdicts = set(rows["verdict"])
        if verdicts == {"higher"}:
            answer = "Yes"
        elif "lower" in verdicts:
            answer = "No"
        else:
            answer = "Not decided by these windows"
        question = (
            f"Is {grouped} lower in perplexity than every removal measured at depth {depth:g}?"
        )
        yield f"{question} {answer}.", _removal_numbers(rows)


def _removal_numbers(rows: pd.DataFrame) -> str:
    parts = []
    for verdict in ("higher", "not distinguishable", "lower"):
        of_verdict = rows[rows["verdict"] == verdict]
        ratios = [
            f"{row['removal']} {_factor(row['ratio'])}" for row in of_verdict.to_dict("records")
        ]
        if ratios:
            parts.append(f"{verdict}: {', '.join(ratios)}")
    return f"Perplexity of removal over that of the groups is {'; '.join(parts)}."


def bypass_verdicts(comparison: pd.DataFrame) -> Iterator[str]:
    """For each set of groups: what each bypass does to perplexity, from `bypass_modes`."""
    bypassed = comparison[comparison["variant"] != comparison["without"]]
    for without, rows in bypassed.groupby("without", sort=False):
        phrases = (
            f"bypass {BYPASS_NAMES.get(row['bypass'], row['bypass'])} is "
            f"{BYPASS_VERDICTS[row['verdict']]} ({_factor(row['ratio'])})"
            for row in rows.to_dict("records")
        )
        yield f"Against the same groups without bypass ({without}), {' and '.join(phrases)}."


def searched_findings(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """One finding for each kind of rival, from `searched_against_others`."""
    for kind, rows in comparison.groupby("kind", sort=False):
        better = (rows["verdict"] == "higher").sum()
        ratios = ", ".join(
            f"depth {row['depth']:g} {_factor(row['ratio'])} ({row['other']})"
            for row in rows.to_dict("records")
        )
        yield (
            f"Dynamic programming is better than the {kind} at {better} of {len(rows)} depths.",
            f"Perplexity of the other over that of dynamic programming: {ratios}."
            f"{_misleading_costs(rows)}",
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


def _factor(ratio: Estimate) -> str:
    return with_interval(ratio, times)

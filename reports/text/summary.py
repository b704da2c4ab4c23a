"""What the numbers say, in sentences made from them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.data.results_folder import Results
from reports.estimates.quality import ALL, DENSE, MEAN
from reports.tables import number_format

BYPASS_NAMES = {"ffn+residual": "ffn+residual (the released CQIL code, which counts it twice)"}
BYPASS_WORDS = {"lower": "better", "not distinguishable": "not distinguishable", "higher": "worse"}


def headline(results: Results, perplexities: pd.DataFrame) -> Iterator[str]:
    """Dense, then the best variant of each depth."""
    pooled = perplexities[perplexities["text"] == ALL].set_index("variant")
    model = f"{results.model.name} ({results.model.num_layers} layers)"
    if DENSE not in pooled.index:
        yield f"{model}: dense has no perplexity here, so nothing is compared with it."
        return
    dense = number_format.with_interval(pooled.loc[DENSE, "perplexity"])
    yield f"At full depth {model} has perplexity {dense}."
    if best := _best_by_depth(results, pooled):
        yield f"The lowest perplexity at each smaller depth: {'; '.join(best)}."


def accuracy_range(accuracies: pd.DataFrame) -> Iterator[str]:
    """Dense, guessing, and where all others lie; one sentence, or none without accuracies."""
    mean = accuracies[accuracies["task"] == MEAN].set_index("variant")
    if DENSE not in mean.index or len(mean) == 1:
        return
    shares = mean["headline"].map(lambda estimate: estimate.value)
    others = shares.drop(DENSE)
    error = number_format.with_error(shares[DENSE], mean.loc[DENSE, "headline_se"])
    yield (
        f"Mean accuracy is {error} % for dense and {number_format.percent(mean['chance'].iloc[0])} % by "
        f"guessing; the others lie between {number_format.percent(others.min())} % ({others.idxmin()}) "
        f"and {number_format.percent(others.max())} % ({others.idxmax()})."
    )


def _best_by_depth(results: Results, pooled: pd.DataFrame) -> list[str]:
    by_depth: dict[float, list[str]] = {}
    for name in pooled.index.drop(DENSE):
        by_depth.setdefault(results.variants[name].depth, []).append(name)
    found = []
    for depth, names in sorted(by_depth.items(), reverse=True):
        name = min(names, key=lambda n: pooled.loc[n, "perplexity"].value)
        ratio = number_format.with_interval(pooled.loc[name, "ratio"], number_format.times)
        value = number_format.significant(pooled.loc[name, "perplexity"].value)
        found.append(f"at {depth:g}, {name} with {value} ({ratio} dense)")
    return found


def leader_verdicts(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """At how many depths the best grouping beats the best removal; one finding, or none."""
    if comparison.empty:
        return
    better = (comparison["verdict"] == "higher").sum()
    ratios = (
        f"depth {row.depth:g} {number_format.with_interval(row.ratio, number_format.times)} "
        f"({row.removal} / {row.grouped})"
        for row in comparison.itertuples()
    )
    yield (
        f"The best grouping beats every removal at {better} of {len(comparison)} depths.",
        f"The best removal’s perplexity over its own, both picked on these windows: "
        f"{', '.join(ratios)}.",
    )


def removal_verdicts(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Question with its answer, and the numbers, for every plain grouped plan."""
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
        if len(group := rows[rows["verdict"] == verdict]):
            pairs = zip(group["removal"], group["ratio"], strict=True)
            ratios = (
                f"{name} {number_format.with_interval(r, number_format.times)}" for name, r in pairs
            )
            parts.append(f"{verdict}: {', '.join(ratios)}")
    return f"Removal’s perplexity against it is {'; '.join(parts)}."


def bypass_verdicts(comparison: pd.DataFrame) -> Iterator[str]:
    """For each set of groups: what each bypass does to perplexity."""
    bypassed = comparison[comparison["variant"] != comparison["without"]]
    for without, rows in bypassed.groupby("without", sort=False):
        said = (
            f"bypass {BYPASS_NAMES.get(mode, mode)} is {BYPASS_WORDS[verdict]} "
            f"({number_format.with_interval(ratio, number_format.times)})"
            for mode, verdict, ratio in zip(
                rows["bypass"], rows["verdict"], rows["ratio"], strict=True
            )
        )
        yield f"Against the same groups without bypass ({without}), {' and '.join(said)}."

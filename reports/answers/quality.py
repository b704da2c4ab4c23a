"""What grouping costs, and whether it loses less than removal: in perplexity and in accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.answers.answer import Answer, difference, factor, listed
from reports.data.number_format import with_error, with_interval
from reports.data.results import Results
from reports.estimates.comparisons import scored_unhealed
from reports.estimates.estimates import Estimates
from reports.estimates.quality import MEAN, over_all_texts
from reports.estimates.rows import by_variant, find_row

COST = "What does grouping cost in quality?"
REMOVAL = "Does grouping lose less than removing layers?"
MAX_PAIRS = 8
"""With more pairs the answer names those of the best of each depth alone."""


def quality_cost(results: Results, estimates: Estimates) -> Answer:
    """The best grouped plan of each depth beside dense, in both measures."""
    ratios = over_all_texts(estimates.perplexities, "ratio")
    means = estimates.accuracies[estimates.accuracies["task"] == MEAN]
    differences = by_variant(means, "difference")
    by_depth: dict[float, list[str]] = {}
    for variant in scored_unhealed(results):
        if variant.family == "cqil" and not math.isnan(ratios[variant.name].value):
            by_depth.setdefault(variant.depth, []).append(variant.name)
    if not by_depth:
        return Answer(COST, "Not measured.", "No grouped plan has a perplexity beside dense's.")
    phrases, factors = [], []
    for depth, names in sorted(by_depth.items(), reverse=True):
        best = min(names, key=lambda name: ratios[name].value)
        lost = differences.get(best, NO_ESTIMATE)
        accuracy = "" if math.isnan(lost.value) else f" and accuracy {difference(lost)}"
        factors.append(ratios[best].value)
        phrases.append(
            f"{depth:g} layers deep, {best}: perplexity {factor(ratios[best])}{accuracy}"
        )
    low, high = min(factors), max(factors)
    span = f"×{low:.2f}" if low == high else f"×{low:.2f} to ×{high:.2f}"
    return Answer(
        COST,
        f"Perplexity {span} of dense at best, by depth.",
        f"{_dense(estimates, results)}Against it, {listed(phrases)}. Without healing, the best "
        "on these windows.",
    )


def _dense(estimates: Estimates, results: Results) -> str:
    """Dense's own scores, and what guessing gives."""
    perplexity = over_all_texts(estimates.perplexities, "perplexity")[REFERENCE]
    text = f"Dense ({results.model.num_layers} layers) has perplexity {with_interval(perplexity)}"
    mean = find_row(estimates.accuracies, REFERENCE, "task", MEAN)
    if mean is None:
        return f"{text}. "
    accuracy = with_error(mean["headline"].value, mean["headline_se"])
    chance = f"{100 * mean['chance']:.0f} %"
    return f"{text} and mean accuracy {accuracy} %, where guessing gives {chance}. "


def grouping_or_removal(results: Results, estimates: Estimates) -> Answer:
    """Pairs of one depth, by perplexity and by accuracy; random removal does not count."""
    pairs = estimates.removal_pairs
    pairs = pairs[~pairs["is_random"]]
    if pairs.empty:
        return Answer(
            REMOVAL, "Not measured.", "No removal was scored at the depth of a grouped plan."
        )
    by_perplexity = [ratio.verdict(1) for ratio in pairs["ratio"]]
    by_accuracy = [
        lost.verdict(0) for lost in pairs["accuracy_difference"] if not math.isnan(lost.value)
    ]
    verdict = f"By perplexity {_verdict(by_perplexity)}"
    if by_accuracy:
        verdict += f"; by accuracy {_verdict(by_accuracy)}"
    return Answer(REMOVAL, f"{verdict}.", _pairs_text(pairs))


def _verdict(sides: Iterable[str]) -> str:
    """`yes`, `no` or `not decided` where all pairs agree, else in how many pairs."""
    counts = Counter(sides)
    if len(counts) == 1:
        words = {"higher": "yes", "lower": "no", "not distinguishable": "not decided"}
        return words[next(iter(counts))]
    total = sum(counts.values())
    listed = {
        "better": counts["higher"],
        "worse": counts["lower"],
        "not told apart": counts["not distinguishable"],
    }
    phrases = (f"{word} in {count}" for word, count in listed.items() if count)
    return f"{', '.join(phrases)} of {total} pairs"


def _pairs_text(pairs: pd.DataFrame) -> str:
    """Every pair, or the pair of the best of both at each depth."""
    if len(pairs) > MAX_PAIRS:
        pairs = pairs[pairs["is_best"]]
    phrases = [
        f"depth {row['depth']:g}, {row['removal']} / {row['grouped']} {factor(row['ratio'])}"
        f"{_accuracy(row['accuracy_difference'])}"
        for row in pairs.to_dict("records")
    ]
    return (
        "Perplexity of removal over groups, accuracy of groups less removal, without healing: "
        f"{listed(phrases)}."
    )


def _accuracy(lost: Estimate) -> str:
    return "" if math.isnan(lost.value) else f" and {difference(lost)}"

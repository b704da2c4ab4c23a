"""Tables of every rule at every depth, and of dynamic programming against the others."""

from __future__ import annotations

import pandas as pd

from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.data.labels import family_name
from reports.data.number_format import against, times, with_error, with_interval
from reports.data.results import Results
from reports.estimates.quality import MEAN, over_all_texts
from reports.estimates.rule_curves import rule_curves
from reports.tables.table import Table

VERDICT_WORDS = {"higher": "better", "not distinguishable": "not distinguishable", "lower": "worse"}


def curves_table(results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> Table:
    """Rules by depths: perplexity with its interval, mean accuracy with its standard error."""
    families = rule_curves(results)
    depths = sorted(
        {depth for rules in families.values() for by_depth in rules.values() for depth in by_depth},
        reverse=True,
    )
    pooled, means = over_all_texts(perplexities, "perplexity"), _means(accuracies)
    data, shown = [], []
    for family, rules in families.items():
        for rule, variant_by_depth in rules.items():
            numbers: dict[str, object] = {"rule": rule, "family": family_name(family)}
            texts: dict[str, object] = dict(numbers)
            for depth in depths:
                head, name = f"depth {depth:g}", variant_by_depth.get(depth, "")
                of_depth, text = _depth_cell(head, pooled.get(name), means.get(name))
                numbers |= of_depth
                texts[head] = text
            data.append(numbers)
            shown.append(texts)
    note = (
        "Perplexity over all texts with its interval; then mean accuracy over tasks with one "
        "standard error, where tasks were run."
    )
    title = "Every rule at every depth"
    return Table("rules", title, pd.DataFrame(data), pd.DataFrame(shown), note)


def _means(accuracies: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Variant -> its mean accuracy over tasks, as a share, and the standard error."""
    means = accuracies[accuracies["task"] == MEAN]
    shares = (headline.value for headline in means["headline"])
    return dict(zip(means["variant"], zip(shares, means["headline_se"], strict=True), strict=True))


def _depth_cell(
    head: str, perplexity: Estimate | None, accuracy: tuple[float, float] | None
) -> tuple[dict[str, object], str]:
    """Numbers for the CSV, and the text, of one rule at one depth; None is not measured."""
    numbers: dict[str, object] = {head: perplexity or NO_ESTIMATE}
    text = "–" if perplexity is None else with_interval(perplexity)
    if accuracy is not None:
        share, error = accuracy
        numbers |= {f"{head}: accuracy": share, f"{head}: standard error": error}
        text = f"{text}; {with_error(share, error)} %"
    return numbers, text


def searched_table(comparison: pd.DataFrame) -> Table:
    """Dynamic programming against the best of the others; `comparison` of that name's estimate."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "variant": comparison["variant"],
            "against": comparison["kind"],
            "which": comparison["other"],
            "its perplexity": comparison["ratio"].map(lambda ratio: with_interval(ratio, times)),
            "verdict": comparison["verdict"].map(VERDICT_WORDS),
            "summed costs": list(
                map(against, comparison["variant_summed"], comparison["other_summed"])
            ),
            "measured loss": list(
                map(against, comparison["variant_excess"], comparison["other_excess"])
            ),
        }
    )
    note = (
        "Perplexity of the other over that of the variant, paired over the same windows: above ×1 "
        "the variant is better. The other is the best of its kind on these very windows, which "
        "favours it. Summed costs: nats that the search adds up for its own plan and for the "
        "other, each change measured alone on calibration text. Measured loss: nats a token above "
        "dense, of both."
    )
    return Table("dynamic", "Dynamic programming against the best rule", comparison, shown, note)

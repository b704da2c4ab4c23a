"""How much of what a plan loses comes back when its weights are healed.

Every healed variant stands beside its twin, the unhealed variant of the same plan. Perplexities are
paired over windows, accuracies over documents, times over rounds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.data.healing import total_minutes, total_tokens
from reports.data.labels import healing_way
from reports.data.results import ENGINE, ReportedVariant, Results
from reports.estimates.latency import RoundSeconds, decode_ratio
from reports.estimates.quality import (
    accuracy_difference,
    bootstrap_of,
    mean_accuracies,
    perplexity,
    strata,
)

COLUMNS = [
    "variant",
    "family",
    "twin",
    "depth",
    "how",
    "tokens",
    "minutes",
    "before",
    "after",
    "gap",
    "closed",
    "gap_elsewhere",
    "closed_elsewhere",
    "accuracy_before",
    "accuracy_after",
    "accuracy_difference",
    "decode_ratio",
]


class HealedTexts(NamedTuple):
    """Scored texts, by whether they are of the kind that heals."""

    near: list[str]
    """Of the texts that heal, or all texts where none of them is scored."""
    elsewhere: list[str]


def healed_texts(results: Results) -> HealedTexts:
    """Healing reads other documents than those that are scored, even of the same texts."""
    section, scored = results.config["healing"], list(results.perplexity["text"].unique())
    healing = section["texts"] if section["dataset"] is None else []
    near = [text for text in scored if text in healing]
    if not near:
        return HealedTexts(scored, [])
    return HealedTexts(near, [text for text in scored if text not in near])


def same_plan(variant: ReportedVariant, other: ReportedVariant) -> bool:
    """Whether two variants differ in their healing alone."""
    keys = ((v.method, v.options, v.plan) for v in (variant, other))
    return next(keys) == next(keys)


def twin_of(results: Results, healed: ReportedVariant) -> ReportedVariant | None:
    """The unhealed variant of the same plan; None where the run has none."""
    return next((v for v in results.unhealed if same_plan(v, healed)), None)


def recoveries(results: Results, accuracies: pd.DataFrame, rounds: RoundSeconds) -> pd.DataFrame:
    """One row a healed variant; what is not known is NO_ESTIMATE, `twin` is empty without one.

    Gaps are nats per token of the twin above dense; `closed` are the shares of them that come back,
    given where the interval of the gap lies above 0. `elsewhere` is text of another kind than what
    heals. Accuracies are means over tasks in percent, `decode_ratio` is the time of a decoded token
    over that of the twin on one device.
    """
    means = mean_accuracies(accuracies)
    rows = [_row(results, variant, means, rounds) for variant in results.healed]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    results: Results,
    variant: ReportedVariant,
    accuracies: dict[str, Estimate],
    rounds: RoundSeconds,
) -> dict[str, Any]:
    twin, texts = twin_of(results, variant), healed_texts(results)
    name, before = variant.name, "" if twin is None else twin.name
    gap, closed = closed_share(results, name, before, texts.near)
    gap_elsewhere, closed_elsewhere = closed_share(results, name, before, texts.elsewhere)
    return {
        "variant": name,
        "family": variant.family,
        "twin": before,
        "depth": variant.depth,
        "how": healing_way(variant.healing),
        "tokens": total_tokens(variant.healing),
        "minutes": total_minutes(variant.healing),
        "before": _perplexity(results, before, texts.near),
        "after": _perplexity(results, name, texts.near),
        "gap": gap,
        "closed": closed,
        "gap_elsewhere": gap_elsewhere,
        "closed_elsewhere": closed_elsewhere,
        "accuracy_before": accuracies.get(before, NO_ESTIMATE),
        "accuracy_after": accuracies.get(name, NO_ESTIMATE),
        "accuracy_difference": accuracy_difference(results, name, before),
        "decode_ratio": decode_ratio(results, rounds, (name, ENGINE), (before, ENGINE)),
    }


def closed_share(
    results: Results, variant: str, twin: str, texts: list[str]
) -> tuple[Estimate, Estimate]:
    """The twin's gap to dense in nats per token, and the share of it that the variant closes.

    The share is ln(before / after) / ln(before / dense) of perplexities, all of the same windows.
    """
    if not texts or not {variant, twin, REFERENCE} <= results.windows.keys():
        return NO_ESTIMATE, NO_ESTIMATE
    after, before, dense = (strata(results, name, texts) for name in (variant, twin, REFERENCE))
    bootstrap = bootstrap_of(results)
    lost = [b.nll - d.nll for b, d in zip(before, dense, strict=True)]
    gap = bootstrap.ratio_of_sums(lost, [windows.tokens for windows in before])
    if gap.verdict(0) != "higher":
        return gap, NO_ESTIMATE
    regained = [b.nll - a.nll for b, a in zip(before, after, strict=True)]
    return gap, bootstrap.ratio_of_sums(regained, lost)


def _perplexity(results: Results, variant: str, texts: list[str]) -> Estimate:
    return perplexity(results, variant, texts) if variant in results.windows else NO_ESTIMATE

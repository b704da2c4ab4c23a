"""From samples to quality: one row a variant and text, or a variant and task.

Perplexities are paired over windows, accuracies over documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import (
    NO_ESTIMATE,
    Bootstrap,
    Estimate,
    exp_estimate,
    standard_error,
)
from reports.data.results import Results, ScoredWindows
from reports.estimates.mcnemar import mcnemar
from reports.estimates.rows import by_variant

ALL = "all texts"
MEAN = "mean over tasks"
NATS_PER_BIT = np.log(2)
Texts = str | Sequence[str]
"""ALL, one text, or several that count together."""


def bootstrap_of(results: Results) -> Bootstrap:
    """How the run draws its intervals."""
    report = results.config["report"]
    return Bootstrap(report["confidence"], report["resamples"], results.config["seed"])


def perplexities(results: Results) -> pd.DataFrame:
    """One row a variant and text, then all texts together; the ratio is to dense, paired."""
    texts = [*results.perplexity["text"].unique(), ALL]
    rows = [_text_row(results, variant, text) for variant in results.windows for text in texts]
    columns = ["variant", "text", "windows", "tokens", "perplexity", "bits_per_byte", "ratio"]
    return pd.DataFrame(rows, columns=columns)


def _text_row(results: Results, variant: str, text: str) -> dict[str, Any]:
    scored = strata(results, variant, text)
    nats = sum(windows.nll.sum() for windows in scored)
    num_bytes = sum(windows.bytes.sum() for windows in scored)
    return {
        "variant": variant,
        "text": text,
        "windows": sum(len(windows.tokens) for windows in scored),
        "tokens": int(sum(windows.tokens.sum() for windows in scored)),
        "perplexity": perplexity(results, variant, text),
        "bits_per_byte": nats / NATS_PER_BIT / num_bytes,
        "ratio": perplexity_ratio(results, variant, REFERENCE, text),
    }


def perplexity(results: Results, variant: str, texts: Texts = ALL) -> Estimate:
    """exp of the mean negative log-likelihood of a token."""
    scored = strata(results, variant, texts)
    nll, tokens = [windows.nll for windows in scored], [windows.tokens for windows in scored]
    return exp_estimate(bootstrap_of(results).ratio_of_sums(nll, tokens))


def perplexity_value(results: Results, variant: str) -> float:
    """Perplexity over all texts, without an interval."""
    scored = strata(results, variant, ALL)
    nats = sum(windows.nll.sum() for windows in scored)
    tokens = sum(windows.tokens.sum() for windows in scored)
    return exp_estimate(Estimate(nats / tokens)).value


def perplexity_ratio(results: Results, variant: str, other: str, text: str = ALL) -> Estimate:
    """Perplexity of a variant over that of another, paired over the same windows."""
    if other not in results.windows:
        return NO_ESTIMATE
    scored, others = strata(results, variant, text), strata(results, other, text)
    tokens = [windows.tokens for windows in scored]
    nll = [a.nll - b.nll for a, b in zip(scored, others, strict=True)]
    return exp_estimate(bootstrap_of(results).ratio_of_sums(nll, tokens))


def over_all_texts(perplexities: pd.DataFrame, column: str) -> dict[str, Estimate]:
    """Variant -> its `perplexity` or `ratio` over all texts together."""
    return by_variant(perplexities[perplexities["text"] == ALL], column)


def mean_accuracies(accuracies: pd.DataFrame) -> dict[str, Estimate]:
    """Variant -> its mean accuracy over tasks, in percent."""
    shares = by_variant(accuracies[accuracies["task"] == MEAN], "headline")
    return {name: share.map(lambda share: 100 * share) for name, share in shares.items()}


def strata(results: Results, variant: str, texts: Texts) -> list[ScoredWindows]:
    """The variant's windows, a stratum a text: windows are drawn within their text."""
    by_text = results.windows[variant]
    if texts == ALL:
        return list(by_text.values())
    return [by_text[text] for text in ([texts] if isinstance(texts, str) else texts)]


def accuracies(results: Results) -> pd.DataFrame:
    """One row a variant and task, then the mean over tasks; differences are to dense, in points.

    `headline` is acc_norm where the task has it; one task weighs as much as another in the mean.
    A variant that lacks a task has no mean.
    """
    samples = results.headline_samples
    tasks = list(samples["task"].unique())
    parts = dict(tuple(samples.groupby(["variant", "task"], sort=False)))
    rows = []
    for variant in samples["variant"].unique():
        by_task = {task: parts[variant, task] for task in tasks if (variant, task) in parts}
        dense = {task: parts.get((REFERENCE, task)) for task in by_task}
        rows += [
            _task_row(results, variant, task, documents, dense[task])
            for task, documents in by_task.items()
        ]
        if len(by_task) == len(tasks):
            parts_of_variant, parts_of_dense = list(by_task.values()), list(dense.values())
            rows.append(_mean_row(results, variant, parts_of_variant, parts_of_dense))
    return pd.DataFrame(rows, columns=list(_EMPTY_ROW))


_EMPTY_ROW: dict[str, Any] = {
    "variant": None,
    "task": None,
    "documents": 0,
    "acc": np.nan,
    "acc_se": np.nan,
    "acc_norm": np.nan,
    "acc_norm_se": np.nan,
    "headline": NO_ESTIMATE,
    "headline_se": np.nan,
    "difference": NO_ESTIMATE,
    "only_variant": None,
    "only_dense": None,
    "p_value": np.nan,
    "one_token": np.nan,
    "chance": np.nan,
}


def _task_row(
    results: Results, variant: str, task: str, documents: pd.DataFrame, dense: pd.DataFrame | None
) -> dict[str, Any]:
    acc_norm = documents["acc_norm"].to_numpy(float)
    headline = documents["headline"].to_numpy()
    return {
        "variant": variant,
        "task": task,
        "documents": len(documents),
        "acc": documents["acc"].mean(),
        "acc_se": standard_error(documents["acc"].to_numpy()),
        "acc_norm": acc_norm.mean(),
        "acc_norm_se": standard_error(acc_norm),
        "headline": bootstrap_of(results).mean_of_means([headline]),
        "headline_se": standard_error(headline),
        "difference": paired_difference(results, [documents], [dense]),
        **_discordant(variant, documents, dense),
        "one_token": documents["one_token"].mean(),
        "chance": documents["chance"].mean(),
    }


def _discordant(
    variant: str, documents: pd.DataFrame, dense: pd.DataFrame | None
) -> dict[str, Any]:
    """Documents that one of the two alone has right; empty for dense itself."""
    if dense is None or variant == REFERENCE:
        return {}
    only_variant, only_dense, p = mcnemar(
        documents["headline"].to_numpy(), dense["headline"].to_numpy()
    )
    return {"only_variant": only_variant, "only_dense": only_dense, "p_value": p}


def _mean_row(
    results: Results,
    variant: str,
    tasks: Sequence[pd.DataFrame],
    dense: Sequence[pd.DataFrame | None],
) -> dict[str, Any]:
    """The mean over tasks; `tasks` and `dense` hold one frame of documents a task."""
    headlines = [documents["headline"].to_numpy() for documents in tasks]
    errors = [standard_error(headline) for headline in headlines]
    return {
        **_EMPTY_ROW,
        "variant": variant,
        "task": MEAN,
        "documents": sum(map(len, tasks)),
        "headline": bootstrap_of(results).mean_of_means(headlines),
        "headline_se": float(np.sqrt(np.sum(np.square(errors))) / len(tasks)),
        "difference": paired_difference(results, tasks, dense),
        "one_token": np.mean([documents["one_token"].mean() for documents in tasks]),
        "chance": np.mean([documents["chance"].mean() for documents in tasks]),
    }


def paired_difference(
    results: Results, tasks: Sequence[pd.DataFrame], others: Sequence[pd.DataFrame | None]
) -> Estimate:
    """In percentage points, document by document; none where the other lacks a task."""
    differences = [
        100 * (documents["headline"].to_numpy() - other["headline"].to_numpy())
        for documents, other in zip(tasks, others, strict=True)
        if other is not None
    ]
    if len(differences) < len(tasks):
        return NO_ESTIMATE
    return bootstrap_of(results).mean_of_means(differences)


def accuracy_difference(results: Results, variant: str, other: str) -> Estimate:
    """Mean accuracy over tasks less that of another variant, in points, paired over documents.

    None where either lacks a task: a mean over some of them is not one that other variants have.
    """
    tasks = results.multiple_choice["task"].unique()
    documents, others = (results.headlines.get(name, {}) for name in (variant, other))
    if not len(tasks) or any(task not in documents or task not in others for task in tasks):
        return NO_ESTIMATE
    return bootstrap_of(results).mean_of_means(
        [100 * (documents[task] - others[task]) for task in tasks]
    )

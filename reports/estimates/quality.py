"""From samples to estimates: one row a variant and text, task or phase. The tables' numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.results.statistics import (
    NO_ESTIMATE,
    Bootstrap,
    Estimate,
    exp_estimate,
    standard_error,
)
from reports.data.results_folder import Results, ScoredWindows
from reports.estimates.mcnemar import mcnemar

ALL = "all texts"
MEAN = "mean over tasks"
DENSE = "dense"
NATS_PER_BIT = np.log(2)


def bootstrap_of(results: Results) -> Bootstrap:
    report = results.config["report"]
    return Bootstrap(report["confidence"], report["resamples"], results.config["seed"])


def perplexities(results: Results) -> pd.DataFrame:
    """One row a variant and text, then all texts together; the ratio is to dense, paired."""
    rows = []
    for variant in results.windows:
        for text in [*results.perplexity["text"].unique(), ALL]:
            strata = _strata(results, variant, text)
            tokens = sum(part.tokens.sum() for part in strata)
            nll = sum(part.nll.sum() for part in strata)
            rows.append(
                {
                    "variant": variant,
                    "text": text,
                    "windows": sum(len(part.tokens) for part in strata),
                    "tokens": int(tokens),
                    "perplexity": perplexity(results, variant, text),
                    "bits_per_byte": nll / NATS_PER_BIT / sum(p.bytes.sum() for p in strata),
                    "ratio": perplexity_ratio(results, variant, DENSE, text),
                }
            )
    return pd.DataFrame(
        rows,
        columns=["variant", "text", "windows", "tokens", "perplexity", "bits_per_byte", "ratio"],
    )


def perplexity(results: Results, variant: str, text: str = ALL) -> Estimate:
    """exp of the mean negative log-likelihood a token."""
    strata = _strata(results, variant, text)
    nll, tokens = [part.nll for part in strata], [part.tokens for part in strata]
    return exp_estimate(bootstrap_of(results).ratio_of_sums(nll, tokens))


def perplexity_value(results: Results, variant: str) -> float:
    """Over all texts, without an interval."""
    strata = _strata(results, variant, ALL)
    nats = sum(part.nll.sum() for part in strata) / sum(part.tokens.sum() for part in strata)
    return exp_estimate(Estimate(nats)).value


def perplexity_ratio(results: Results, variant: str, other: str, text: str = ALL) -> Estimate:
    """Perplexity of a variant over that of another, paired over the same windows."""
    if other not in results.windows:
        return NO_ESTIMATE
    pairs = list(zip(_strata(results, variant, text), _strata(results, other, text), strict=True))
    tokens = [mine.tokens for mine, _ in pairs]
    nll = [mine.nll - theirs.nll for mine, theirs in pairs]
    return exp_estimate(bootstrap_of(results).ratio_of_sums(nll, tokens))


def _strata(results: Results, variant: str, text: str) -> list[ScoredWindows]:
    """The variant's windows, a stratum a text: windows are drawn within their text."""
    own = results.windows[variant]
    return list(own.values()) if text == ALL else [own[text]]


def accuracies(results: Results) -> pd.DataFrame:
    """One row a variant and task, then the mean over tasks; differences are to dense, in points.

    `headline` is acc_norm where the task has it; one task weighs as much as another in the mean.
    """
    frame = results.multiple_choice.assign(
        headline=results.multiple_choice["acc_norm"]
        .fillna(results.multiple_choice["acc"])
        .astype(float)
    )
    tasks = list(frame["task"].unique())
    parts = dict(tuple(frame.groupby(["variant", "task"], sort=False)))
    rows = []
    for variant in frame["variant"].unique():
        own = {task: parts[variant, task] for task in tasks if (variant, task) in parts}
        base = {task: parts.get((DENSE, task)) for task in own}
        rows += [_task_row(results, variant, task, own[task], base[task]) for task in own]
        if len(own) == len(tasks):
            rows.append(_mean_row(results, variant, own, base))
    return pd.DataFrame(rows, columns=list(_EMPTY))


_EMPTY = {
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
    "only_own": None,
    "only_dense": None,
    "p_value": np.nan,
    "one_token": np.nan,
    "chance": np.nan,
}


def _task_row(
    results: Results, variant: str, task: str, own: pd.DataFrame, base: pd.DataFrame | None
) -> dict:
    acc_norm = own["acc_norm"].to_numpy(float)
    headline = own["headline"].to_numpy()
    return {
        "variant": variant,
        "task": task,
        "documents": len(own),
        "acc": own["acc"].mean(),
        "acc_se": standard_error(own["acc"].to_numpy()),
        "acc_norm": acc_norm.mean(),
        "acc_norm_se": standard_error(acc_norm),
        "headline": bootstrap_of(results).mean_of_means([headline]),
        "headline_se": standard_error(headline),
        "difference": _difference(results, [own], [base]),
        **_discordant(variant, own, base),
        "one_token": own["one_token"].mean(),
        "chance": own["chance"].mean(),
    }


def _discordant(variant: str, own: pd.DataFrame, base: pd.DataFrame | None) -> dict:
    """Documents that one of the two alone has right; nothing for dense itself."""
    if base is None or variant == DENSE:
        return {}
    only_own, only_dense, p = mcnemar(own["headline"].to_numpy(), base["headline"].to_numpy())
    return {"only_own": only_own, "only_dense": only_dense, "p_value": p}


def _mean_row(
    results: Results,
    variant: str,
    own: dict[str, pd.DataFrame],
    base: dict[str, pd.DataFrame | None],
) -> dict:
    parts = list(own.values())
    errors = [standard_error(part["headline"].to_numpy()) for part in parts]
    return {
        **_EMPTY,
        "variant": variant,
        "task": MEAN,
        "documents": sum(map(len, parts)),
        "headline": bootstrap_of(results).mean_of_means([p["headline"].to_numpy() for p in parts]),
        "headline_se": float(np.sqrt(np.sum(np.square(errors))) / len(parts)),
        "difference": _difference(results, parts, list(base.values())),
        "one_token": np.mean([part["one_token"].mean() for part in parts]),
        "chance": np.mean([part["chance"].mean() for part in parts]),
    }


def _difference(
    results: Results, own: list[pd.DataFrame], base: list[pd.DataFrame | None]
) -> Estimate:
    """In percentage points, document by document."""
    strata = [
        100 * (mine["headline"].to_numpy() - theirs["headline"].to_numpy())
        for mine, theirs in zip(own, base, strict=True)
        if theirs is not None
    ]
    if len(strata) < len(own):
        return NO_ESTIMATE
    return bootstrap_of(results).mean_of_means(strata)

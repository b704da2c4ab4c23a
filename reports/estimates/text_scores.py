"""Texts that variants wrote: BLEU, chrF and ROUGE beside references, and what differs from dense.

BLEU is the corpus score, drawn from the counts of each document; the others are means over
documents. Differences are taken over the same documents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results.measurements import GenerationResult
from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from benchmarks.results.text_metrics import rouge_scorer
from cqil.plan.schedule import Schedule
from reports.data.results_folder import Results
from reports.estimates.quality import DENSE, bootstrap_of

ORDERS = 4


SCORES = {"bleu": "BLEU", "chrf": "chrF", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2"} | {
    "rougeL": "ROUGE-L"
}


COMPARED = {"bleu": "BLEU − dense", "chrf": "chrF − dense", "rougeL": "ROUGE-L − dense"}


def corpus_bleu(totals: np.ndarray) -> np.ndarray:
    """sacreBLEU's score, 0 to 100, of counts summed over documents.

    `totals` is [..., 10]: matches and n-grams for N of 1 to 4, words of text and of reference. An
    order without a match counts as half a match, the next such as a quarter (smoothing "exp").
    """
    matches, ngrams = totals[..., :ORDERS], totals[..., ORDERS : 2 * ORDERS]
    length, reference = totals[..., -2], totals[..., -1]
    halvings = np.cumsum(matches == 0, axis=-1)
    smoothed = np.where(matches == 0, 0.5**halvings, matches)
    some = (ngrams > 0).all(axis=-1) & (matches > 0).any(axis=-1)
    precision = np.log(smoothed / np.maximum(ngrams, 1)).mean(axis=-1)
    brevity = np.minimum(0, 1 - reference / np.maximum(length, 1))
    return np.where(some, 100 * np.exp(precision + brevity), 0.0)


def generations(results: Results) -> pd.DataFrame:
    """One row a task and variant: every score, and what differs from dense."""
    parts = dict(tuple(results.generation.groupby(["task", "variant"], sort=False)))
    depths = {(r.task, r.variant): decode_depth(r) for r in results.of_kind("generation")}
    rows = []
    for (task, variant), own in parts.items():
        dense = parts.get((task, DENSE))
        row: dict[str, Any] = {
            "task": task,
            "variant": variant,
            "documents": len(own),
            "tokens": own["tokens"].map(len).mean(),
            "decode_depth": depths[task, variant],
        }
        row |= {score: score_of(results, own, score) for score in SCORES}
        for score in COMPARED:
            row[f"{score}_difference"] = difference(results, own, dense, score)
        rows.append(row | _near_dense(results, own, dense))
    columns = ["task", "variant", "documents", "tokens", "decode_depth", *SCORES]
    columns += [*(f"{score}_difference" for score in COMPARED), "near_dense", "same"]
    return pd.DataFrame(rows, columns=columns)


def decode_depth(result: GenerationResult) -> float:
    """Mean stages of a generated token after the first, which the prompt's pass predicts."""
    schedule = Schedule.from_dict(result.schedule or {"plans": [result.plan], "starts": [0]})
    steps = [step for sample in result.samples for step in range(len(sample.tokens) - 1)]
    if not steps:
        return float("nan")
    return float(np.mean([schedule.plans[schedule.index_at(step)].depth for step in steps]))


def score_of(results: Results, own: pd.DataFrame, score: str) -> Estimate:
    if own[score].isna().any():
        return NO_ESTIMATE
    if score == "bleu":
        return bootstrap_of(results).of_totals(corpus_bleu, _counts(own))
    return bootstrap_of(results).mean_of_means([own[score].to_numpy(float)])


def difference(
    results: Results, own: pd.DataFrame, dense: pd.DataFrame | None, score: str
) -> Estimate:
    """Score less dense's, the same documents drawn for both."""
    if dense is None or own[score].isna().any():
        return NO_ESTIMATE
    if score != "bleu":
        paired = own[score].to_numpy(float) - dense[score].to_numpy(float)
        return bootstrap_of(results).mean_of_means([paired])
    both = np.hstack([_counts(own), _counts(dense)])
    width = both.shape[1] // 2
    return bootstrap_of(results).of_totals(
        lambda totals: corpus_bleu(totals[..., :width]) - corpus_bleu(totals[..., width:]), both
    )


def _counts(own: pd.DataFrame) -> np.ndarray:
    return np.array(own["bleu"].tolist(), float)


def _near_dense(
    results: Results, own: pd.DataFrame, dense: pd.DataFrame | None
) -> dict[str, Estimate]:
    if dense is None:
        return {"near_dense": NO_ESTIMATE, "same": NO_ESTIMATE}
    scorer, bootstrap = rouge_scorer("rougeL"), bootstrap_of(results)
    near = [
        100 * scorer.score(theirs, mine)["rougeL"].fmeasure
        for mine, theirs in zip(own["text"], dense["text"], strict=True)
    ]
    same = [a == b for a, b in zip(own["tokens"], dense["tokens"], strict=True)]
    return {
        "near_dense": bootstrap.mean_of_means([np.array(near)]),
        "same": bootstrap.mean_of_means([np.array(same, float)]),
    }

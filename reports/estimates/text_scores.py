"""Texts that variants wrote: BLEU, chrF and ROUGE beside references, and the distance to dense.

BLEU is the corpus score, drawn from the counts of each document; the others are means over
documents. Differences are taken over the same documents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.result_schema import GenerationResult
from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from cqil.plan.schedule import Schedule
from reports.data.results import Results
from reports.estimates.quality import bootstrap_of

NGRAM_ORDERS = 4
SCORES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
}
"""Score -> its name for readers."""
COMPARED = {"bleu": "BLEU − dense", "chrf": "chrF − dense", "rougeL": "ROUGE-L − dense"}
"""Score whose difference to dense is reported -> the name of that difference."""


def corpus_bleu(totals: np.ndarray) -> np.ndarray:
    """sacreBLEU's score, 0 to 100, of counts summed over documents.

    `totals` is [..., 10]: matches and n-grams for N of 1 to 4, words of text and of reference. An
    order without a match counts as half a match, the next one without as a quarter, and so on
    (smoothing "exp").
    """
    matches = totals[..., :NGRAM_ORDERS]
    ngrams = totals[..., NGRAM_ORDERS : 2 * NGRAM_ORDERS]
    length, reference = totals[..., -2], totals[..., -1]
    halvings = np.cumsum(matches == 0, axis=-1)
    smoothed = np.where(matches == 0, 0.5**halvings, matches)
    has_matches = (ngrams > 0).all(axis=-1) & (matches > 0).any(axis=-1)
    log_precision = np.log(smoothed / np.maximum(ngrams, 1)).mean(axis=-1)
    log_brevity = np.minimum(0, 1 - reference / np.maximum(length, 1))
    return np.where(has_matches, 100 * np.exp(log_precision + log_brevity), 0.0)


def generations(results: Results) -> pd.DataFrame:
    """One row a task and variant: every score, and the distance to dense."""
    parts = dict(tuple(results.generation.groupby(["task", "variant"], sort=False)))
    depths = {
        (record.task, record.variant): decode_depth(record)
        for record in results.records
        if isinstance(record, GenerationResult)
    }
    rows = []
    for (task, variant), documents in parts.items():
        dense = parts.get((task, REFERENCE))
        row: dict[str, Any] = {
            "task": task,
            "variant": variant,
            "documents": len(documents),
            "tokens": documents["tokens"].map(len).mean(),
            "decode_depth": depths[task, variant],
        }
        row |= {score: _score(results, documents, score) for score in SCORES}
        for score in COMPARED:
            row[f"{score}_difference"] = _difference(results, documents, dense, score)
        rows.append(row | _near_dense(results, documents, dense))
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


def _score(results: Results, documents: pd.DataFrame, score: str) -> Estimate:
    if documents[score].isna().any():
        return NO_ESTIMATE
    if score == "bleu":
        return bootstrap_of(results).of_totals(corpus_bleu, _bleu_counts(documents))
    return bootstrap_of(results).mean_of_means([documents[score].to_numpy(float)])


def _difference(
    results: Results, documents: pd.DataFrame, dense: pd.DataFrame | None, score: str
) -> Estimate:
    """Score less dense's, the same documents drawn for both."""
    if dense is None or documents[score].isna().any():
        return NO_ESTIMATE
    if score != "bleu":
        paired = documents[score].to_numpy(float) - dense[score].to_numpy(float)
        return bootstrap_of(results).mean_of_means([paired])
    counts = np.hstack([_bleu_counts(documents), _bleu_counts(dense)])
    width = counts.shape[1] // 2
    return bootstrap_of(results).of_totals(
        lambda totals: corpus_bleu(totals[..., :width]) - corpus_bleu(totals[..., width:]), counts
    )


def _bleu_counts(documents: pd.DataFrame) -> np.ndarray:
    """[documents, 10], as `corpus_bleu` takes them."""
    return np.array(documents["bleu"].tolist(), float)


def _near_dense(
    results: Results, documents: pd.DataFrame, dense: pd.DataFrame | None
) -> dict[str, Estimate]:
    """ROUGE-L against dense's text, 0 to 100, and the share of documents with dense's tokens."""
    if dense is None:
        return {"near_dense": NO_ESTIMATE, "same": NO_ESTIMATE}
    # Slow to import, and most runs write no texts.
    from benchmarks.results.text_metrics import rouge_scorer

    scorer, bootstrap = rouge_scorer("rougeL"), bootstrap_of(results)
    rouge = [
        100 * scorer.score(dense_text, text)["rougeL"].fmeasure
        for text, dense_text in zip(documents["text"], dense["text"], strict=True)
    ]
    same = [a == b for a, b in zip(documents["tokens"], dense["tokens"], strict=True)]
    return {
        "near_dense": bootstrap.mean_of_means([np.array(rouge)]),
        "same": bootstrap.mean_of_means([np.array(same, float)]),
    }

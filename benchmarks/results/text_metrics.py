"""What a text written by a model is worth beside the reference: BLEU's counts, chrF, ROUGE.

BLEU is of a corpus, so a document keeps the counts that are summed over documents.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from benchmarks.config.generation_tasks import GenerationTask
from benchmarks.results.measurements import BleuCounts

ROUGE = ("rouge1", "rouge2", "rougeL")


def score_text(task: GenerationTask, text: str, reference: str) -> dict[str, Any]:
    """The fields of a sample that the task's metrics fill; scores lie between 0 and 100."""
    found: dict[str, Any] = {}
    if "bleu" in task.metrics:
        found["bleu"] = bleu_counts(task.bleu_words, text, reference)
    if "chrf" in task.metrics:
        found["chrf"] = CHRF().sentence_score(text, [reference]).score
    if "rouge" in task.metrics:
        scores = rouge_scorer(*ROUGE).score(reference, text)
        found |= {name: 100 * scores[name].fmeasure for name in ROUGE}
    return found


def bleu_counts(words: str, text: str, reference: str) -> BleuCounts:
    score = _bleu(words).corpus_score([text], [[reference]])
    return BleuCounts(
        counts=score.counts,
        totals=score.totals,
        length=score.sys_len,
        reference_length=score.ref_len,
    )


@cache
def rouge_scorer(*kinds: str) -> RougeScorer:
    """F-measures over stemmed words, as published scores are."""
    return RougeScorer(list(kinds), use_stemmer=True)


@cache
def _bleu(words: str) -> BLEU:
    return BLEU(tokenize=words)

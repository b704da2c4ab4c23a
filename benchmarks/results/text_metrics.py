"""Metrics of a generated text against its reference: BLEU counts, chrF, ROUGE. No torch.

BLEU is a score of a corpus, so each document keeps the counts that BLEU sums over documents.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from benchmarks.config.generation_tasks import GenerationTask
from benchmarks.results.result_schema import BleuCounts

ROUGE = ("rouge1", "rouge2", "rougeL")
"""Kinds of ROUGE that a document is scored with."""


def score_text(task: GenerationTask, text: str, reference: str) -> dict[str, Any]:
    """Fields of a GenerationSample, by the metrics of the task; scores lie between 0 and 100."""
    fields: dict[str, Any] = {}
    if "bleu" in task.metrics:
        fields["bleu"] = bleu_counts(task.bleu_words, text, reference)
    if "chrf" in task.metrics:
        fields["chrf"] = CHRF().sentence_score(text, [reference]).score
    if "rouge" in task.metrics:
        scores = rouge_scorer(*ROUGE).score(reference, text)
        fields |= {kind: 100 * scores[kind].fmeasure for kind in ROUGE}
    return fields


def bleu_counts(words: str, text: str, reference: str) -> BleuCounts:
    """What corpus BLEU sums, of one document; `words` is sacreBLEU's tokenizer."""
    score = _bleu(words).corpus_score([text], [[reference]])
    return BleuCounts(
        counts=score.counts,
        totals=score.totals,
        length=score.sys_len,
        reference_length=score.ref_len,
    )


@cache
def rouge_scorer(*kinds: str) -> RougeScorer:
    """A scorer over stemmed words, as published scores use."""
    return RougeScorer(list(kinds), use_stemmer=True)


@cache
def _bleu(words: str) -> BLEU:
    return BLEU(tokenize=words)

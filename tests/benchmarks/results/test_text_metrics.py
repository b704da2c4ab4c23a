"""Metrics of texts: the counts of documents add up to the corpus scores of the libraries."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from benchmarks.config.generation_tasks import GENERATION_TASKS
from benchmarks.results.text_metrics import score_text
from reports.estimates.text_scores import corpus_bleu

WORDS = st.sampled_from(["the", "cat", "sat", "on", "a", "mat,", "did", "it?", "réduit", "."])
SENTENCES = st.lists(WORDS, max_size=12).map(" ".join)
CORPORA = st.lists(st.tuples(SENTENCES, SENTENCES.filter(bool)), min_size=1, max_size=6)


def totals(task, corpus):
    counts = [score_text(task, text, reference)["bleu"] for text, reference in corpus]
    return np.sum([[*c.counts, *c.totals, c.length, c.reference_length] for c in counts], axis=0)


@given(corpus=CORPORA)
def test_bleu_of_summed_counts_is_the_corpus_score(corpus):
    texts, references = zip(*corpus, strict=True)
    expected = sacrebleu.corpus_bleu(list(texts), [list(references)]).score
    assert corpus_bleu(totals(GENERATION_TASKS["fr-en"], corpus)) == pytest.approx(
        expected, abs=1e-9
    )


def test_chinese_is_split_into_characters():
    corpus = [("这是一只猫。", "那是一只黑猫。")]
    expected = sacrebleu.corpus_bleu([corpus[0][0]], [[corpus[0][1]]], tokenize="zh").score
    assert expected > 0
    assert corpus_bleu(totals(GENERATION_TASKS["wmt22-en-zh"], corpus)) == pytest.approx(expected)


def test_bleu_of_many_totals_is_that_of_each():
    corpora = [[("a cat sat on it", "a cat sat on a mat")], [("no", "yes and no")]]
    rows = [totals(GENERATION_TASKS["fr-en"], corpus) for corpus in corpora]
    assert corpus_bleu(np.array(rows)).tolist() == [float(corpus_bleu(row)) for row in rows]


def test_chrf_and_rouge_are_the_libraries():
    text, reference = "Cats were sitting on mats.", "A cat sat on the mat."
    translation = score_text(GENERATION_TASKS["fr-en"], text, reference)
    assert translation["chrf"] == sacrebleu.sentence_chrf(text, [reference]).score
    summary = score_text(GENERATION_TASKS["aclsum"], text, reference)
    expected = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).score(reference, text)
    assert summary == {name: 100 * score.fmeasure for name, score in expected.items()}
    assert summary["rouge1"] > summary["rouge2"]

"""Perplexity of a tiny LLaMA on disk, with a tokenizer; how failures are told."""

import re

import pytest
import torch
from measurements import CPU, DOCUMENTS, VARIANTS, WINDOW
from transformers import AutoTokenizer, LlamaForCausalLM

from benchmarks.accuracy import perplexity
from benchmarks.accuracy.perplexity import measure_perplexity
from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.results.result_schema import read_result, write_result
from benchmarks.runtime.device import Runtime
from cqil.modeling import PlannedLlamaForCausalLM


@pytest.mark.parametrize("name", VARIANTS)
def test_perplexity_scores_the_second_half_of_each_document(
    tiny_llama, variants, text, name, tmp_path
):
    result = measure_perplexity(variants[name], [text], None, WINDOW, CPU)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    texts = [t for t in DOCUMENTS["evaluation"] if t != "too short"]
    windows = [tuple(tokenizer(t)["input_ids"][:WINDOW]) for t in texts]
    requests = [ScoreRequest(w[: WINDOW // 2], w[WINDOW // 2 :]) for w in windows]
    dense = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    model = PlannedLlamaForCausalLM.from_dense(dense, variants[name].plan)
    expected = [-s.loglikelihood for s in score_requests(model, requests)]
    assert result.status == "ok"
    assert [s.nll for s in result.samples] == pytest.approx(expected, rel=1e-5)
    assert [s.document for s in result.samples] == [f"{i:064}"[:16] for i in (0, 1, 3)]
    assert {(s.text, s.tokens) for s in result.samples} == {("tiny", WINDOW // 2)}
    decoded = [tokenizer.decode(w[WINDOW // 2 :]) for w in windows]
    assert [s.bytes for s in result.samples] == [len(d.encode()) for d in decoded]
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result


def test_fewer_documents_than_asked_for_are_refused(variants, text):
    with pytest.raises(ValueError, match=r"\Adocuments: tiny has 3 [^\n]*\Z"):
        measure_perplexity(variants["dense"], [text], 4, WINDOW, CPU)
    assert len(measure_perplexity(variants["dense"], [text], 2, WINDOW, CPU).samples) == 2


def test_absent_device_is_skipped_with_its_reason(monkeypatch, variants, text):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cuda = Runtime(device="cuda", dtype="float32", threads=1, seed=0)
    result = measure_perplexity(variants["pairs"], [text], None, WINDOW, cuda)
    assert (result.status, result.samples) == ("skipped", [])
    assert result.reason.startswith("device: cuda")
    assert result.provenance.device == "cuda"
    auto = Runtime(device="auto", dtype="float32", threads=1, seed=0)
    assert auto.start() == "cpu"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory: no detail"),
        (torch.OutOfMemoryError("2 GiB\nof 1"), "out of memory: 2 GiB"),
    ],
)
def test_memory_that_runs_out_is_failed(monkeypatch, variants, text, error, reason):
    def exhausted(*args, **kwargs):
        raise error

    monkeypatch.setattr(perplexity, "score_requests", exhausted)
    result = measure_perplexity(variants["dense"], [text], None, WINDOW, CPU)
    assert (result.status, result.reason, result.samples) == ("failed", reason, [])


def test_other_errors_are_raised(monkeypatch, variants, text):
    monkeypatch.setattr(perplexity, "score_requests", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure_perplexity(variants["dense"], [text], None, WINDOW, CPU)


def test_a_score_that_is_no_number_fails_with_its_reason(overflowing, text, tmp_path):
    float16 = Runtime(device="cpu", dtype="float16", threads=1, seed=0)
    result = measure_perplexity(overflowing, [text], None, WINDOW, float16)
    assert (result.status, result.samples) == ("failed", [])
    assert re.fullmatch(r"the log-probability of a token is nan: [^\n]* bfloat16", result.reason)
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result


def test_windows_beyond_the_context_are_refused(variants, text):
    with pytest.raises(ValueError, match=r"\Awindow: 4096 tokens; lower it; the model's context"):
        measure_perplexity(variants["dense"], [text], None, 4096, CPU)

"""Measurements on a tiny LLaMA on disk, with a tokenizer: manifests, variants, results, builds."""

import json
from collections import Counter

import huggingface_hub.constants
import pytest
import torch
from transformers import (
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
)

from benchmarks import latency, perplexity
from benchmarks.files import read_json, sha256_files, write_json
from benchmarks.latency import measure_latency
from benchmarks.models import prepare_model
from benchmarks.perplexity import measure_perplexity
from benchmarks.record import read_result, write_result
from benchmarks.runtime import Runtime, once
from benchmarks.scoring import Request, score
from benchmarks.sections import Latency
from benchmarks.variants import Variant, read_variant, write_variant
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.modeling import PlannedLlamaForCausalLM

CPU = Runtime(device="cpu", dtype="float32", threads=1, seed=3)
WINDOW = 16
DOCUMENTS = {
    "calibration": ["only what is scored must be read, and this is not scored at all"],
    "evaluation": [
        "a layer reads what the layers before it wrote, and adds its own to that",
        "zwei Schichten lesen dasselbe und rechnen zugleich: schnell, größer, übrig",
        "too short",
        "three words are few but thirty words are more than a window of sixteen tokens",
    ],
}
VARIANTS = {
    "dense": {"method": "dense"},
    "pairs": {"method": "uniform", "group_size": 2, "start": 1, "end": 3, "bypass": 1},
    "skip": {"method": "unified", "rule": "even", "depth": 2},
}


@pytest.fixture(scope="module")
def manifest(tiny_llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resources")
    prepare_model(str(tiny_llama), None, folder)
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def variants(manifest, tmp_path_factory):
    """Name -> variant, written and read again."""
    folder = tmp_path_factory.mktemp("variants")
    for name, options in VARIANTS.items():
        write_variant(name, options, manifest, None, None, folder / f"{name}.json")
    return {name: read_variant(folder / f"{name}.json") for name in VARIANTS}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "tiny.jsonl"
    rows = [
        {"sha256": f"{i:064}", "part": part, "text": text}
        for part, texts in DOCUMENTS.items()
        for i, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_manifest_tells_depth_and_digest(tiny_llama, manifest):
    data = read_json(manifest)
    files = [tiny_llama / "model.safetensors", tiny_llama / "config.json"]
    assert data == {
        "name": str(tiny_llama),
        "path": str(tiny_llama),
        "sha256": sha256_files(files),
        "num_layers": 4,
        "note": "",
    }


def test_other_architectures_are_refused(tmp_path):
    GPT2Config().save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*gpt2[^\n]*LLaMA[^\n]*\Z"):
        prepare_model(str(tmp_path / "gpt2"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folder_without_weights_is_refused(tmp_path):
    LlamaConfig().save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*bare[^\n]*safetensors[^\n]*\Z"):
        prepare_model(str(tmp_path / "bare"), None, tmp_path / "out")


def test_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"\Amodel: [^\n]*empty[^\n]*\Z"):
        prepare_model(str(tmp_path / "empty"), None, tmp_path / "out")


def test_hub_name_out_of_reach_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"\Amodel: 'nobody/nothing' [^\n]*\Z"):
        prepare_model("nobody/nothing", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_embedded_model_without_its_wheel_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\Amodel: 'smollm2-135m-instruct'[^\n]*wheel[^\n]*\Z"):
        prepare_model("smollm2-135m-instruct", None, tmp_path / "out")


def test_variants_come_back_as_written(manifest, variants):
    plans = {name: variant.plan for name, variant in variants.items()}
    assert plans == {
        "dense": dense_plan(4),
        "pairs": uniform_plan(4, 1, 3, 2, bypass=1),
        "skip": kept_layers_plan(4, [0, 3], prompt_dense=True),
    }
    assert [v.method for v in variants.values()] == ["dense", "uniform", "unified"]
    assert all(v.manifest == read_json(manifest) for v in variants.values())


def test_evidence_reaches_the_plan(manifest, tmp_path):
    write_json(tmp_path / "search.json", {"start": 1})
    options = {"method": "uniform", "group_size": 2, "depth": 3}
    out = tmp_path / "found.json"
    write_variant("found", options, manifest, None, tmp_path / "search.json", out)
    assert read_variant(out).plan == uniform_plan(4, 1, 3, 2)
    assert read_json(out)["search"] == {"start": 1}


@pytest.mark.parametrize("name", VARIANTS)
def test_perplexity_scores_the_second_half_of_each_document(
    tiny_llama, variants, text, name, tmp_path
):
    result = measure_perplexity(variants[name], [text], None, WINDOW, CPU)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    texts = [t for t in DOCUMENTS["evaluation"] if t != "too short"]
    windows = [tuple(tokenizer(t)["input_ids"][:WINDOW]) for t in texts]
    requests = [Request(w[: WINDOW // 2], w[WINDOW // 2 :]) for w in windows]
    dense = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    model = PlannedLlamaForCausalLM.from_dense(dense, variants[name].plan)
    expected = [-s.loglikelihood for s in score(model, requests)]
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
    results = measure_latency([variants["dense"]], Latency(), cuda)
    results.append(measure_perplexity(variants["pairs"], [text], None, WINDOW, cuda))
    for result in results:
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

    monkeypatch.setattr(perplexity, "score", exhausted)
    result = measure_perplexity(variants["dense"], [text], None, WINDOW, CPU)
    assert (result.status, result.reason, result.samples) == ("failed", reason, [])


def test_other_errors_are_raised(monkeypatch, variants, text):
    monkeypatch.setattr(perplexity, "score", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure_perplexity(variants["dense"], [text], None, WINDOW, CPU)


def test_latency_interleaves_all_variants(monkeypatch, variants):
    ran, run = [], latency._run

    def watched(model, prompt_BT, new_tokens, number):
        ran.append((number, model.plan.slug))
        assert prompt_BT.shape == (2, 5)
        return run(model, prompt_BT, new_tokens, number)

    monkeypatch.setattr(latency, "_run", watched)
    workload = Latency(prompt_tokens=5, new_tokens=2, batch=2, rounds=6, warmup=1)
    results = measure_latency(list(variants.values()), workload, CPU)
    slugs = [variant.plan.slug for variant in variants.values()]
    assert [number for number, _ in ran] == [n for n in range(-1, 6) for _ in slugs]
    rounds = [[slug for n, slug in ran if n == number] for number in range(-1, 6)]
    assert all(Counter(order) == Counter(slugs) for order in rounds)
    assert len(set(map(tuple, rounds))) > 1
    assert [result.variant for result in results] == list(variants)
    assert len({result.session for result in results}) == 1
    steps = [(n, "decode" if step else "prefill", step) for n in range(6) for step in range(3)]
    for result in results:
        assert [(s.round, s.phase, s.step) for s in result.samples] == steps
        assert all(s.seconds > 0 for s in result.samples)


def test_variants_of_different_models_are_refused(variants):
    other = variants["pairs"].manifest | {"sha256": "0"}
    mixed = [variants["dense"], Variant("far", "dense", dense_plan(4), other)]
    with pytest.raises(ValueError, match=r"\Avariants: [^\n]*\Z"):
        measure_latency(mixed, Latency(), CPU)


def test_a_session_runs_once_whether_it_ends_well_or_not():
    calls = []

    def measure(device):
        calls.append(device)
        if device == "small":
            raise MemoryError("full")
        return device

    good, bad = once(measure), once(measure)
    assert [good("cpu"), good("cpu")] == ["cpu", "cpu"]
    for _ in range(2):
        with pytest.raises(MemoryError, match="full"):
            bad("small")
    assert calls == ["cpu", "small"]

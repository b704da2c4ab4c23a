"""Measurements on a tiny LLaMA on disk, with a tokenizer: manifests, variants, results, builds."""

import json
from collections import Counter, defaultdict
from contextlib import ExitStack

import huggingface_hub.constants
import pytest
import torch
from transformers import (
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
)

from benchmarks.accuracy import perplexity
from benchmarks.accuracy.perplexity import measure_perplexity
from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.config.sections import LatencySection
from benchmarks.latency import measure_latency
from benchmarks.latency.interleaved_rounds import InterleavedTimes
from benchmarks.latency.measure_latency import measure_latency, result_path
from benchmarks.latency.targets import latency_targets
from benchmarks.models.prepare_model import prepare_model
from benchmarks.models.variants import Variant, read_variant, write_variant
from benchmarks.results.files import read_json, sha256_files, write_json
from benchmarks.results.measurements import read_result, write_result
from benchmarks.results.schema import StepSample
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.run_measurement import measured_once
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine import RankError
from cqil.modeling import PlannedLlamaForCausalLM

CPU = Runtime(device="cpu", dtype="float32", threads=1, seed=3)
STEP = StepSample(round=0, phase="prefill", step=0, seconds=0.125)
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
    results = measure_latency([variants["dense"]], LatencySection(ranks=[2]), cuda)
    paths = ["engine", "engine", "ranks-2", "transformers"]
    assert [result.path for result in results] == paths
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


class Watched:
    """An arm that tells when it runs."""

    def __init__(self, key, arm, ran):
        self.key, self.arm, self.ran = key, arm, ran

    def run(self, prompt_BT, new_tokens):
        self.ran.append(self.key)
        assert prompt_BT.shape == (2, 5)
        return self.arm.run(prompt_BT, new_tokens)


def test_latency_interleaves_all_paths_and_variants(monkeypatch, variants):
    ran, arms = [], measure_latency._arms

    def watched(*args):
        return ((key, Watched(key, arm, ran)) for key, arm in arms(*args))

    monkeypatch.setattr(measure_latency, "_arms", watched)
    workload = LatencySection(prompt_tokens=5, new_tokens=2, batch=2, rounds=6, warmup=1, ranks=[2])
    results = measure_latency(list(variants.values()), workload, CPU)
    keys = [f"{path}/{name}" for path in ("engine", "ranks-2") for name in variants]
    keys[3:3] = ["engine/dense-again"]
    keys.append("transformers/dense")
    assert [f"{result.path}/{result.variant}" for result in results] == keys
    assert {(result.status, result.reason) for result in results} == {("ok", None)}
    rounds = [ran[start : start + len(keys)] for start in range(0, len(ran), len(keys))]
    assert len(rounds) == 1 + 6
    assert all(Counter(order) == Counter(keys) for order in rounds)
    assert len(set(map(tuple, rounds))) > 1
    assert len({result.session for result in results}) == 1
    steps = [(n, "decode" if step else "prefill", step) for n in range(6) for step in range(3)]
    for result in results:
        assert [(s.round, s.phase, s.step) for s in result.samples] == steps
        assert all(s.seconds > 0 for s in result.samples)
    spread = {r.variant: r.layout for r in results if r.path == "ranks-2"}
    one_device = {"lanes": 1, "shards": 1, "outside": "first"}
    assert spread == {
        "dense": one_device | {"shards": 2},
        "pairs": one_device | {"lanes": 2},
        "skip": one_device | {"shards": 2},
    }
    assert all(r.layout == one_device for r in results if r.path != "ranks-2")


@pytest.mark.parametrize(
    ("devices", "ranks", "reasons"),
    [
        (1, 2, dict.fromkeys(VARIANTS, "ranks: 2, but this machine has 1 CPU cores; use fewer")),
        (
            4,
            3,
            {
                "dense": "ranks: 3, so that 3 share each layer, but a layer has 2 attention heads; "
                "use fewer",
                "pairs": "ranks: 3, but the largest group has 2 members; use a multiple of 2",
                "skip": "ranks: 3, so that 3 share each layer, but a layer has 2 attention heads; "
                "use fewer",
            },
        ),
    ],
)
def test_ranks_that_cannot_run_are_skipped_and_the_rest_is_timed(
    monkeypatch, variants, devices, ranks, reasons
):
    monkeypatch.setattr(measure_latency, "devices", lambda device: devices)
    monkeypatch.setattr(measure_latency, "Gang", None)
    workload = LatencySection(prompt_tokens=5, new_tokens=2, rounds=5, ranks=[ranks])
    found = measure_latency(list(variants.values()), workload, CPU)
    skipped = [result for result in found if result.path == f"ranks-{ranks}"]
    assert {result.variant: result.reason for result in skipped} == reasons
    assert all((r.status, r.samples, r.layout) == ("skipped", [], {}) for r in skipped)
    assert {result.status for result in found if result not in skipped} == {"ok"}


def test_a_grid_is_timed_workload_by_workload_and_other_modes_are_skipped_on_cpu(variants):
    section = LatencySection(
        prompt_tokens=[6, 4], new_tokens=2, batch=[2, 1], rounds=5, modes=["eager", "compiled"]
    )
    pair = [variants["dense"], variants["pairs"]]
    found = measure_latency(pair, section, CPU)
    places = {result_path(result): result for result in found}
    assert list(places) == [
        "/".join(place) + ".json" for place in latency_targets(["dense", "pairs"], section)
    ]
    assert len(places) == len(found) == 4 * (2 * 3 + 1)
    for place, result in places.items():
        workload = result.workload
        assert place.split("/")[1] == f"b{workload['batch']}-p{workload['prompt_tokens']}"
        if result.path == "engine-compiled":
            assert result.status == "skipped"
            assert result.reason.startswith("modes: compiled is timed on CUDA, but device is cpu")
            continue
        assert (result.status, len(result.samples)) == ("ok", 5 * 3)
        assert (result.stopped, result.conditions.before.gpus) == ("rounds", [])
    assert len({result.session for result in found}) == 1
    again = places["engine/b2-p6/dense-again.json"]
    dense = places["engine/b2-p6/dense.json"]
    assert (again.method, again.plan, again.layout) == (dense.method, dense.plan, dense.layout)
    assert [s.seconds for s in again.samples] != [s.seconds for s in dense.samples]


def test_dense_again_shares_the_weights_of_dense_in_an_engine_of_its_own(variants, manifest):
    named = measure_latency._by_name([variants["dense"]])
    specs = {
        f"engine/{n}": measure_latency._spec("engine", v, "cpu", "float32")
        for n, v in named.items()
    }
    with ExitStack() as stack:
        arms = dict(measure_latency._arms(specs, read_json(manifest), CPU, stack))
    assert list(arms) == ["engine/dense", "engine/dense-again"]
    first, second = (arm.engine for arm in arms.values())
    assert first is not second
    assert first.head.embedding_VH is second.head.embedding_VH


def test_memory_that_runs_out_at_a_large_workload_leaves_the_small_ones(monkeypatch, variants):
    interleave = measure_latency.interleave

    def small_only(arms, prompt_BT, workload, *rest):
        if workload.batch > 1:
            raise torch.OutOfMemoryError("2 GiB\nof 1")
        return interleave(arms, prompt_BT, workload, *rest)

    monkeypatch.setattr(measure_latency, "interleave", small_only)
    section = LatencySection(prompt_tokens=4, new_tokens=2, batch=[4, 2, 1], rounds=5)
    found = measure_latency([variants["dense"]], section, CPU)
    assert {(r.workload["batch"], r.status, r.reason) for r in found} == {
        (1, "ok", None),
        (2, "failed", "out of memory: 2 GiB"),
        (4, "failed", "out of memory: 2 GiB"),
    }


def test_ranks_share_out_the_threads(monkeypatch, variants):
    monkeypatch.setattr(measure_latency, "devices", lambda device: 8)
    latency_targets = InterleavedTimes(defaultdict(lambda: [STEP]), "rounds")
    monkeypatch.setattr(measure_latency, "_arms", lambda *args: [])
    monkeypatch.setattr(measure_latency, "interleave", lambda *args: latency_targets)
    five = Runtime(device="cpu", dtype="float32", threads=5, seed=0)
    found = measure_latency([variants["dense"]], LatencySection(ranks=[2]), five)
    threads = {result.path: result.provenance.threads for result in found}
    assert threads == {"engine": 5, "ranks-2": 2, "transformers": 5}


def test_memory_of_a_rank_that_runs_out_fails_the_session(monkeypatch, variants):
    def exhausted(*args, **kwargs):
        raise RankError(f"rank 1 of 2 failed: {error}; its log ends with\n  | (nothing)")

    monkeypatch.setattr(measure_latency, "_arms", exhausted)
    error = "OutOfMemoryError: CUDA out of memory."
    found = measure_latency(list(variants.values()), LatencySection(), CPU)
    assert {(result.status, len(result.samples)) for result in found} == {("failed", 0)}
    assert found[0].reason.startswith(f"out of memory: rank 1 of 2 failed: {error}")
    error = "KeyError: 7"
    with pytest.raises(RankError, match="KeyError"):
        measure_latency(list(variants.values()), LatencySection(), CPU)


def test_variants_of_different_models_are_refused(variants):
    other = variants["pairs"].manifest | {"sha256": "0"}
    mixed = [variants["dense"], Variant("far", "dense", dense_plan(4), other)]
    with pytest.raises(ValueError, match=r"\Avariants: [^\n]*\Z"):
        measure_latency(mixed, LatencySection(), CPU)


def test_a_session_runs_once_whether_it_ends_well_or_not():
    calls = []

    def measure(device):
        calls.append(device)
        if device == "small":
            raise MemoryError("full")
        return device

    good, bad = measured_once(measure), measured_once(measure)
    assert [good("cpu"), good("cpu")] == ["cpu", "cpu"]
    for _ in range(2):
        with pytest.raises(MemoryError, match="full"):
            bad("small")
    assert calls == ["cpu", "small"]


def test_a_schedule_comes_back_and_is_what_is_timed(manifest, tmp_path):
    options = {"method": "skipdecode", "max_depth": 4, "min_depth": 2, "tokens": 3}
    write_variant("falling", options, manifest, None, None, tmp_path / "falling.json")
    write_variant("dense", {"method": "dense"}, manifest, None, None, tmp_path / "dense.json")
    falling = read_variant(tmp_path / "falling.json")
    assert [plan.depth for plan in falling.schedule.plans] == [4, 3, 2]
    assert falling.plan == falling.schedule.plans[-1]
    variants = [falling, read_variant(tmp_path / "dense.json")]
    workload = LatencySection(prompt_tokens=4, new_tokens=4, rounds=5)
    results = {(r.path, r.variant): r for r in measure_latency(variants, workload, CPU)}
    assert results["engine", "falling"].schedule == falling.schedule.to_dict()
    assert results["engine", "dense"].schedule is None
    assert len(results["engine", "falling"].samples) == 5 * (1 + 4)

"""Early-exit variants through every measurement, on a tiny LLaMA on disk."""

import json
from statistics import fmean

import pytest
import torch
from measurements import CPU, SEARCH, WINDOW
from transformers import AutoTokenizer, LlamaForCausalLM

from benchmarks.accuracy.perplexity import measure_perplexity
from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.config.sections import LatencySection
from benchmarks.latency.interleaved_rounds import random_prompt
from benchmarks.latency.measure_latency import measure_latency
from benchmarks.models.variants import read_variant, write_variant
from benchmarks.results.files import read_json
from benchmarks.results.result_schema import read_result, write_result
from benchmarks.search.calibration import write_search
from benchmarks.search.calibration_evaluator import CalibrationEvaluator
from cqil import dense_plan
from cqil.engine import Engine, EngineOptions
from cqil.engine.step_clock import step_times
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.early_exit_rule import EarlyExitRule

TEXTS = {
    "calibration": "what is read before plans are chosen, and this is not scored at all",
    "evaluation": "a layer reads what the layers before it wrote, and adds its own to that",
}
RULE = EarlyExitRule("saturation", 0.75)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "tiny.jsonl"
    rows = [{"sha256": f"{len(t):064}", "part": p, "text": t} for p, t in TEXTS.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def dense(tiny_llama):
    return LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()


def variant(manifest, folder, name, search=None, **options):
    out = folder / f"{name}.json"
    write_variant(name, options, manifest, None, search, out)
    return read_variant(out)


def early_variant(manifest, folder):
    options = {"criterion": RULE.criterion, "threshold": RULE.threshold}
    return variant(manifest, folder, "early", method="early-exit", **options)


def evaluation_window(tiny_llama):
    tokens = AutoTokenizer.from_pretrained(tiny_llama)(TEXTS["evaluation"])["input_ids"]
    half = WINDOW // 2
    return ScoreRequest(tuple(tokens[:half]), tuple(tokens[half:WINDOW]))


def test_perplexity_knows_how_deep_tokens_went(tiny_llama, dense, manifest, text, tmp_path):
    early = early_variant(manifest, tmp_path)
    assert (early.plan, early.early_exit) == (dense_plan(4), RULE)
    result = measure_perplexity(early, [text], None, WINDOW, CPU)
    model = PlannedLlamaForCausalLM.from_dense(dense, dense_plan(4))
    request = evaluation_window(tiny_llama)
    (expected,) = score_requests(model, [request], depth_rule=RULE)
    (sample,) = result.samples
    assert sample.nll == pytest.approx(-expected.loglikelihood, rel=1e-5)
    assert sample.layers == pytest.approx(expected.layers)
    assert 1 < sample.layers < 4
    assert result.early_exit == RULE.to_dict()
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result
    dense_variant = variant(manifest, tmp_path, "dense", method="dense")
    dense_result = measure_perplexity(dense_variant, [text], None, WINDOW, CPU)
    assert (dense_result.early_exit, dense_result.samples[0].layers) == (None, None)
    assert abs(dense_result.samples[0].nll - sample.nll) > 1e-3


def test_choices_leave_early_too(tiny_llama, dense):
    from benchmarks.accuracy.multiple_choice import PhaseAwareLM

    model = PlannedLlamaForCausalLM.from_dense(dense, dense_plan(4))
    request, tokenizer = evaluation_window(tiny_llama), AutoTokenizer.from_pretrained(tiny_llama)
    requests = [(("a", "b"), list(request.context), list(request.continuation))]
    for rule in (RULE, None):
        scores = PhaseAwareLM(model, tokenizer, "label", rule)._loglikelihood_tokens(requests)
        assert scores[0][0] == pytest.approx(
            score_requests(model, [request], depth_rule=rule)[0].loglikelihood
        )


def test_the_evaluator_tells_the_mean_depth(dense, tmp_path):
    generator = torch.Generator().manual_seed(0)
    windows = torch.randint(256, (3, WINDOW), generator=generator).tolist()
    evaluator = CalibrationEvaluator(dense, windows, 3, tmp_path, "k", first_scored=8)
    requests = [ScoreRequest(tuple(w[:8]), tuple(w[8:])) for w in windows]
    model = PlannedLlamaForCausalLM.from_dense(dense, dense_plan(4))
    scored = score_requests(model, requests, depth_rule=RULE)
    assert evaluator.layers_run(RULE) == pytest.approx(fmean(s.layers for s in scored))
    assert len(list(tmp_path.rglob("*.json"))) == 1
    (path,) = tmp_path.rglob("*.json")
    path.write_text(json.dumps({"answer": 2.5}))
    assert evaluator.layers_run(RULE) == 2.5
    assert evaluator.layers_run(EarlyExitRule("saturation", 1e-6)) != 2.5


def test_a_depth_is_found_on_calibration_text(manifest, text, tmp_path):
    options = {"method": "early-exit", "criterion": "saturation", "depth": 2}
    out = tmp_path / "search.json"
    write_search(options, manifest, [text], SEARCH, CPU, out)
    search_result = read_json(out)
    early = variant(manifest, tmp_path, "early", out, **options)
    assert early.early_exit == EarlyExitRule("saturation", search_result["threshold"])
    assert search_result["layers"] == pytest.approx(2, abs=0.6)
    assert search_result["calibration"]["window"] == WINDOW


def test_latency_tells_how_deep_steps_went_and_skips_ranks(dense, manifest, tmp_path):
    falling = {"max_depth": 4, "min_depth": 2, "tokens": 3}
    variants = [
        variant(manifest, tmp_path, "dense", method="dense"),
        early_variant(manifest, tmp_path),
        variant(manifest, tmp_path, "falling", method="skipdecode", **falling),
    ]
    workload = LatencySection(prompt_tokens=5, new_tokens=4, batch=2, rounds=5, ranks=[2])
    results = {(r.backend.name, r.variant): r for r in measure_latency(variants, workload, CPU)}
    prompt_BT = random_prompt(dense.config.vocab_size, 2, 5, CPU.seed)
    engine = Engine.from_dense(dense, dense_plan(4), options=EngineOptions(early_exit=RULE))
    step_times(engine, prompt_BT, 4)
    deepest = [max(depth_B.tolist()) for depth_B in engine.exit_depths]
    assert results["engine", "early"].layers == fmean(deepest) < 4
    assert results["engine", "early"].early_exit == RULE.to_dict()
    assert [len(steps) for steps in results["engine", "early"].samples] == 5 * [1 + 4]
    assert results["engine", "falling"].layers == fmean([4, 3, 2, 2])
    assert results["engine", "dense"].layers is None
    assert results["ranks-2", "falling"].layers == fmean([4, 3, 2, 2])
    skipped = results["ranks-2", "early"]
    assert (skipped.status, skipped.layers, skipped.samples) == ("skipped", None, [])
    assert skipped.reason.startswith("early_exit: ")
    assert results["ranks-2", "dense"].status == "ok"


def test_a_plan_cannot_say_that_layers_are_left_early(cqil, manifest, tmp_path):
    early_variant(manifest, tmp_path)
    code, out, error = cqil("build", tmp_path / "early.json", "--out", tmp_path / "built")
    assert (code, out) == (2, "")
    assert error.startswith("error: plan: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "built").exists()

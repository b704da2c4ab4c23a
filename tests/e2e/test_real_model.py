"""The engine on the real default model: its greedy text is the reference's, token for token.

On one device, on two ranks of every kind, and within the memory that a rank's own tensors need.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from project import ROOT

from benchmarks.config.run_config import parse_config
from benchmarks.data.token_windows import text_windows
from benchmarks.engine_bench.peak_memory import peak_memory_of_ranks
from benchmarks.latency.engine_spec import EngineSpec
from benchmarks.models.load_model import load_dense
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import read_variant
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.e2e
PROMPT = "The theory of evolution by natural selection was proposed by"


@pytest.fixture(scope="module")
def dense(smoke):
    with pytest.MonkeyPatch.context() as patch:
        # An embedded model's path is relative to the project's folder.
        patch.chdir(smoke.parents[1])
        yield load_dense(read_variant(smoke / "variants" / "dense.json").manifest, "cpu", "float32")


@pytest.fixture(scope="module")
def two_ranks():
    with WorkerGroup(2) as workers:
        yield workers


def generate(rank, spec, ids_BT):
    return spec.load(rank).generate(ids_BT, max_new_tokens=24)


@pytest.mark.parametrize("name", ["dense", "cqil-p2", "cqil-p2-d1", "shortgpt-22", "uls-2x"])
def test_greedy_text_is_the_references(smoke, dense, name):
    variant = read_variant(smoke / "variants" / f"{name}.json")
    ids_BT = open_manifest(variant.manifest).tokenizer(PROMPT, return_tensors="pt").input_ids
    reference = PlannedLlamaForCausalLM.from_dense(dense, variant.plan)
    expected = reference.generate(ids_BT, max_new_tokens=24, do_sample=False)
    got = Engine.from_dense(dense, variant.plan).generate(ids_BT, max_new_tokens=24)
    assert torch.equal(got, expected[:, ids_BT.shape[1] :])


def test_the_shipped_texts_suffice_for_llama(smoke):
    """The configuration of LLaMA-7B asks for no more long documents than there are."""
    config = parse_config(yaml.safe_load((ROOT / "config" / "llama.yaml").read_text()))
    variant = read_variant(smoke / "variants" / "dense.json")
    tokenizer = open_manifest(variant.manifest).tokenizer
    for part, section in (("calibration", config.calibration), ("evaluation", config.perplexity)):
        texts = [ROOT / "resources" / "texts" / f"{name}.jsonl" for name in section.texts]
        assert text_windows(tokenizer, texts, part, section.documents, section.window)


@torch.inference_mode()
def test_bfloat16_costs_the_engine_no_more_than_the_reference(smoke, dense):
    """Both are compared with float32: folding norms into weights adds no error of its own."""
    variant = read_variant(smoke / "variants" / "dense.json")
    checkpoint = open_manifest(variant.manifest)
    ids_BT = checkpoint.tokenizer(PROMPT, return_tensors="pt").input_ids
    exact_BV = dense(ids_BT).logits[:, -1]
    reference_BV = checkpoint.load_dense(torch.bfloat16)(ids_BT).logits[:, -1].float()
    engine = Engine.load(checkpoint, variant.plan, dtype=torch.bfloat16)
    engine_BV = engine.prefill(ids_BT, max_tokens=ids_BT.shape[1]).float()
    reference_error, engine_error = (
        float((logits_BV - exact_BV).norm() / exact_BV.norm())
        for logits_BV in (reference_BV, engine_BV)
    )
    assert 0 < engine_error < 1.5 * reference_error
    assert engine_BV.argmax() == reference_BV.argmax() == exact_BV.argmax()


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("cqil-p2", Layout(group_parallel_size=2)),
        ("cqil-p2-d1", Layout(group_parallel_size=2, ungrouped_layers="shard")),
        ("cqil-p2-d1", Layout(tensor_parallel_size=2)),
        ("dense", Layout(tensor_parallel_size=2)),
        ("uls-2x", Layout(tensor_parallel_size=2)),
    ],
)
def test_two_ranks_write_the_same_text(smoke, dense, two_ranks, name, layout):
    variant = read_variant(smoke / "variants" / f"{name}.json")
    ids_BT = open_manifest(variant.manifest).tokenizer(PROMPT, return_tensors="pt").input_ids
    expected = Engine.from_dense(dense, variant.plan).generate(ids_BT, max_new_tokens=24)
    spec = spec_of(variant, layout)
    for tokens_BT in two_ranks.run(generate, spec, ids_BT):
        assert torch.equal(tokens_BT, expected)


@pytest.mark.parametrize(
    "layout",
    [Layout(group_parallel_size=2), Layout(tensor_parallel_size=2)],
    ids=["group-parallel", "tensor-parallel"],
)
def test_a_rank_holds_little_more_than_its_own_tensors(smoke, dense, layout):
    variant = read_variant(smoke / "variants" / "cqil-p2.json")
    spec = spec_of(variant, layout)
    whole = sum(weight.nbytes for weight in dense.parameters())
    for peak, held in peak_memory_of_ranks(spec, torch.ones(1, 32, dtype=torch.long), 4):
        assert held < whole
        assert peak < 1.15 * held


def spec_of(variant, layout):
    """Ranks run in the project's folder, to which an embedded model's path is relative."""
    path = str(Path(variant.manifest["path"]).resolve())
    return EngineSpec(path=path, plan=variant.plan, options=EngineOptions(layout=layout))

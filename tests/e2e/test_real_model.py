"""The engine on the real default model: its greedy text is the reference's, token for token."""

from __future__ import annotations

import pytest
import torch

from benchmarks.models import load_dense, load_tokenizer
from benchmarks.variants import read_variant
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.e2e
PROMPT = "The theory of evolution by natural selection was proposed by"


@pytest.fixture(scope="module")
def dense(smoke):
    with pytest.MonkeyPatch.context() as patch:
        # An embedded model's path is relative to the project's folder.
        patch.chdir(smoke.parents[1])
        yield load_dense(read_variant(smoke / "variants" / "dense.json").manifest, "cpu", "float32")


@pytest.mark.parametrize("name", ["dense", "cqil-p2", "cqil-p2-d1", "shortgpt-22", "uls-2x"])
def test_greedy_text_is_the_references(smoke, dense, name):
    variant = read_variant(smoke / "variants" / f"{name}.json")
    ids_BT = load_tokenizer(variant.manifest)(PROMPT, return_tensors="pt").input_ids
    reference = PlannedLlamaForCausalLM.from_dense(dense, variant.plan)
    expected = reference.generate(ids_BT, max_new_tokens=24, do_sample=False)
    got = Engine.from_dense(dense, variant.plan).generate(ids_BT, max_new_tokens=24)
    assert torch.equal(got, expected[:, ids_BT.shape[1] :])

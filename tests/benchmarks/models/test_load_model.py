"""Models of manifests: dense, planned with merges, and their dtype."""

import pytest
import torch

from benchmarks.models.load_model import load_dense, load_planned
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from benchmarks.results.files import read_json
from cqil import kept_layers_plan
from cqil.edits.weight_edit import LayerMerge


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_have_the_dtype_and_the_model_does_not_train(manifest, dtype):
    model = load_dense(read_json(manifest), "cpu", dtype)
    assert {weight.dtype for weight in model.parameters()} == {getattr(torch, dtype)}
    assert not model.training


def test_a_planned_model_holds_the_layers_of_its_plan(manifest, variants):
    ids_BT = torch.arange(5)[None]
    dense = load_dense(read_json(manifest), "cpu", "float32")
    for variant in variants.values():
        model = load_planned(variant, "cpu", "float32")
        assert len(model.model.layers) == len(variant.plan.stored_layers)
        equal = torch.equal(model(ids_BT).logits, dense(ids_BT).logits)
        assert equal == (variant.name in ("dense", "skip"))  # `skip` has a dense prompt


def test_merges_change_the_weights_before_the_plan_runs(manifest):
    plan, data = kept_layers_plan(4, [0, 1, 3]), read_json(manifest)
    merged = Variant("merged", "laco", plan, data, edits=(LayerMerge(1, (2,)),))
    ids_BT = torch.arange(5)[None]
    merged_logits, plain_logits = (
        load_planned(variant, "cpu", "float32")(ids_BT).logits
        for variant in (merged, Variant("plain", "laco", plan, data))
    )
    assert not torch.allclose(merged_logits, plain_logits)


def test_the_tokenizer_is_that_of_the_checkpoint(manifest):
    tokenizer = open_manifest(read_json(manifest)).tokenizer
    assert tokenizer.decode(tokenizer("two words")["input_ids"]) == "two words"

"""LaCo's merges: the formula of the paper, what its notebook does instead, and the merged model."""

import pytest
import torch
from tiny_models import Shape, tiny_dense, tokens_of
from torch.nn import functional as F  # noqa: N812

from benchmarks.search.calibration_evaluator import CalibrationEvaluator
from cqil import kept_layers_plan
from cqil.edits.edited_weights import apply_edits, edited_model, edited_reader
from cqil.edits.weight_edit import LayerMerge
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")
WINDOWS = tokens_of(3, 12)


def layer(dense, index):
    """Part -> a copy of the weight."""
    parts = dense.model.layers[index].state_dict()
    return {name: weight.clone() for name, weight in parts.items()}


def merged_layer(dense, merge):
    prefix, weights = f"model.layers.{merge.into}.", dense.state_dict()
    read = edited_reader(lambda name: weights.get(name), [merge])
    return {name.removeprefix(prefix): read(name) for name in weights if name.startswith(prefix)}


def test_paper_rule_adds_every_difference_to_the_first_layer():
    dense = tiny_dense(5)
    merged = merged_layer(dense, LayerMerge(1, (2, 3, 4)))
    first, *others = (layer(dense, n) for n in (1, 2, 3, 4))
    assert set(merged) == set(first)
    for name, weight in merged.items():
        expected = first[name] + sum(other[name] - first[name] for other in others)
        torch.testing.assert_close(weight, expected)


@pytest.mark.parametrize("biased", [False, True])
def test_notebook_rule_ends_with_the_last_layers_projections_and_the_first_layers_rest(biased):
    """The loop of the released notebook, written out: it subtracts what it has just updated."""
    dense = tiny_dense(5, Shape(attention_bias=biased, mlp_bias=biased))
    merged = merged_layer(dense, LayerMerge(1, (2, 3, 4), "notebook"))
    first, last = layer(dense, 1), layer(dense, 4)
    for name, weight in merged.items():
        looped = first[name].clone()
        if name.endswith("_proj.weight"):
            for taken in (2, 3, 4):
                looped += layer(dense, taken)[name] - looped
        torch.testing.assert_close(weight, looped)
        kept = first if name.endswith(("layernorm.weight", "bias")) else last
        assert torch.equal(weight, kept[name])


def test_rules_differ_where_more_than_one_layer_is_taken():
    dense = tiny_dense(4)
    for taken in ((2,), (2, 3)):
        paper, notebook = (
            merged_layer(dense, LayerMerge(1, taken, r)) for r in ("paper", "notebook")
        )
        same = {name for name in paper if torch.allclose(paper[name], notebook[name])}
        assert same == (set() if len(taken) > 1 else set(paper) - set(NORMS))


def test_a_merged_layer_is_taken_in_as_it_has_become():
    dense = tiny_dense(5)
    before = [layer(dense, n) for n in range(5)]
    apply_edits(dense, [LayerMerge(3, (4,)), LayerMerge(1, (2, 3))])
    for name, weight in layer(dense, 1).items():
        w1, w2, w3, w4 = (before[n][name] for n in (1, 2, 3, 4))
        third = w3 + (w4 - w3)
        torch.testing.assert_close(weight, w1 + (w2 - w1) + (third - w1))
    for untouched in (0, 2, 4):
        assert all(torch.equal(w, before[untouched][n]) for n, w in layer(dense, untouched).items())


@pytest.mark.parametrize("rule", ["paper", "notebook"])
def test_similarity_of_a_merged_model_is_that_of_its_final_states(tmp_path, rule):
    dense = tiny_dense(5)
    merges = [LayerMerge(3, (4,), rule), LayerMerge(1, (2,), rule)]
    bench = CalibrationEvaluator(dense, WINDOWS.tolist(), 2, tmp_path, "tiny", first_scored=6)
    found = bench.merged_similarity(merges)
    with torch.inference_mode():
        before = dense.model(WINDOWS).last_hidden_state
    apply_edits(dense, merges)
    planned = PlannedLlamaForCausalLM.from_dense(dense, kept_layers_plan(5, [0, 1, 3]))
    with torch.inference_mode():
        after = planned.model(WINDOWS).last_hidden_state
    cosine = F.cosine_similarity(after.flatten(1), before.flatten(1), dim=-1).mean()
    assert found == pytest.approx(float(cosine), rel=1e-6)
    assert found < 1


def test_asking_for_a_merge_leaves_the_model_as_it_was(tmp_path):
    dense = tiny_dense(4)
    before = [layer(dense, n) for n in range(4)]
    bench = CalibrationEvaluator(dense, WINDOWS.tolist(), 2, tmp_path, "tiny", first_scored=6)
    bench.merged_similarity([LayerMerge(1, (2, 3))])
    for n in range(4):
        assert all(torch.equal(w, before[n][name]) for name, w in layer(dense, n).items())


MERGES = [LayerMerge(3, (4,)), LayerMerge(1, (2, 3), "notebook"), LayerMerge(0, (1,))]


def test_an_engine_over_merged_files_equals_the_merged_model(tmp_path):
    dense, plan = tiny_dense(5), kept_layers_plan(5, [0])
    dense.save_pretrained(tmp_path)
    merged = Engine.load(tmp_path, plan, dtype=torch.float64, edits=MERGES)
    logits = merged.prefill(WINDOWS, max_tokens=12)
    apply_edits(dense, MERGES)
    expected = PlannedLlamaForCausalLM.from_dense(dense, plan)(WINDOWS).logits[:, -1]
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)


def test_a_slice_of_a_merge_is_the_merge_of_slices():
    weights, index = tiny_dense(5).state_dict(), (slice(3, 9), slice(1, None))
    read = edited_reader(lambda name, *index: weights[name][index or ...], MERGES)
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(read(name, *index), read(name)[index])


def test_a_model_is_itself_again_after_a_trial():
    dense, name = tiny_dense(5), "model.layers.0.mlp.up_proj.weight"
    before = {name: weight.clone() for name, weight in dense.state_dict().items()}
    with edited_model(dense, MERGES):
        assert not torch.equal(dense.state_dict()[name], before[name])
    assert all(torch.equal(weight, before[name]) for name, weight in dense.state_dict().items())

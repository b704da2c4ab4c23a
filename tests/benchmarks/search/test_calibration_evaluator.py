"""The evaluator answers as the reference does, and never computes an answer twice."""

import json

import numpy as np
import pytest
import torch
from any_plan import plans
from hypothesis import given, settings
from tiny_models import tiny_dense, tokens_of
from torch.nn import functional as F  # noqa: N812

from benchmarks.search.calibration_evaluator import CalibrationEvaluator
from cqil import LayerPlan, dense_plan, kept_layers_plan
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
WINDOWS = tokens_of(3, 12)


def evaluator_of(dense, folder, key="tiny", first_scored=6):
    windows = WINDOWS.tolist()
    return CalibrationEvaluator(dense, windows, 4, folder, key, first_scored)


@torch.inference_mode()
def log_probabilities(dense, plan, first):
    """Those of the tokens of each window from `first` on."""
    planned = PlannedLlamaForCausalLM.from_dense(dense, plan)
    return planned(WINDOWS).logits[:, first - 1 : -1].log_softmax(-1)


@pytest.fixture(scope="module", params=[1, 6], ids=["all", "second-half"])
def shared(request, tmp_path_factory):
    """One evaluator for all plans, so that states behind shared stages are used again."""
    dense, first = tiny_dense(6), request.param
    folder = tmp_path_factory.mktemp("answers")
    return dense, evaluator_of(dense, folder, first_scored=first), first


@given(plan=plans(shallowest=6, deepest=6, laddered=False))
@settings(max_examples=60)
def test_loss_and_divergence_are_the_references(shared, plan):
    dense, evaluator, first = shared
    logp = log_probabilities(dense, plan, first)
    dense_logp = log_probabilities(dense, dense_plan(6), first)
    nll = F.nll_loss(logp.flatten(0, 1), WINDOWS[:, first:].flatten())
    kl = (dense_logp.exp() * (dense_logp - logp)).sum(-1).mean()
    assert evaluator.loss(plan) == pytest.approx(float(nll), rel=1e-6)
    assert evaluator.divergence(plan) == pytest.approx(float(kl), rel=1e-5, abs=1e-9)


def test_answers_are_read_back(tmp_path):
    dense = tiny_dense(3)
    first = evaluator_of(dense, tmp_path).loss(dense_plan(3))
    for path in tmp_path.rglob("*.json"):
        stored = json.loads(path.read_text())
        stored["answer"] = first + 1
        path.write_text(json.dumps(stored))
    assert evaluator_of(dense, tmp_path).loss(dense_plan(3)) == first + 1
    other = evaluator_of(dense, tmp_path, key="other")
    assert other.loss(dense_plan(3)) == first


def test_dependency_is_what_a_layer_adds_with_and_without_another(tmp_path):
    dense = tiny_dense(3)
    matrix = evaluator_of(dense, tmp_path).dependency()
    assert matrix.shape == (3, 3)
    assert np.all(matrix[np.tril_indices(3)] == 0)

    def states(kept):
        plan = kept_layers_plan(3, kept)
        model = PlannedLlamaForCausalLM.from_dense(dense, plan).model
        seen = []
        hooks = [
            layer.register_forward_hook(lambda _, args, out: seen.append(out - args[0]))
            for layer in model.layers
        ]
        with torch.inference_mode():
            model(WINDOWS)
        for hook in hooks:
            hook.remove()
        return seen

    with_all, without_1 = states([0, 1, 2]), states([0, 2])
    cosine = F.cosine_similarity(with_all[2], without_1[1], dim=-1).mean()
    assert matrix[1, 2] == pytest.approx(1 - float(cosine), abs=1e-6)


def test_a_plan_with_an_own_prefill_is_not_searched(tmp_path):
    plan = LayerPlan(num_layers=2, groups=[[0]], prefill=[[0], [1]])
    with pytest.raises(AssertionError):
        evaluator_of(tiny_dense(2), tmp_path).loss(plan)

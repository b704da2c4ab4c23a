"""Phase-aware scores equal the naive reference: any plan, shared contexts, any batching."""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Reference
from scoring_requests import request_lists
from strategies import plans, shapes
from tiny_models import VOCABULARY, Shape, tiny_dense

from benchmarks.accuracy import phase_aware_scoring
from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
many = settings(max_examples=60)
SKIPPING = LayerPlan(
    num_layers=6, groups=((1, 3), (4,)), prefill=((0,), (1, 2), (3, 4), (5,)), bypass=1
)


@dataclass
class Scored:
    """A model with its plan, and what the reference says of single requests."""

    plan: LayerPlan
    shape: Shape = field(default_factory=Shape)
    seed: int = 0

    def __post_init__(self):
        dense = tiny_dense(self.plan.num_layers, self.shape, self.seed)
        self.model = PlannedLlamaForCausalLM.from_dense(dense, self.plan)
        self.reference = Reference(dense, self.plan)

    def logits(self, request):
        """[T, V]: what predicts each token of the continuation."""
        tokens, prompt = [*request.context, *request.continuation], len(request.context)
        return self.reference.logits(tokens, prompt)[prompt - 1 : -1]

    def check(self, scores, requests):
        assert len(scores) == len(requests)
        for score, request in zip(scores, requests, strict=True):
            logits_TV, target_T = self.logits(request), torch.tensor(request.continuation)
            logp_T = logits_TV.log_softmax(-1).gather(1, target_T[:, None])
            assert score.loglikelihood == pytest.approx(float(logp_T.sum()), rel=1e-9, abs=1e-9)
            assert score.greedy == bool((logits_TV.argmax(-1) == target_T).all())


@pytest.mark.parametrize("own_prefill", [False, True])
@many
@given(st.data(), request_lists(), shapes, st.sampled_from([1, 7, 12, 2048]), st.integers(0, 99))
def test_any_plan_scores_as_the_reference(own_prefill, data, requests, shape, batch_tokens, seed):
    scored = Scored(data.draw(plans(own_prefill)), shape, seed)
    scored.check(score_requests(scored.model, requests, batch_tokens=batch_tokens), requests)


@pytest.mark.parametrize("plan", [SKIPPING, uniform_plan(6, 1, 5, 2, 1), dense_plan(6)])
def test_likeliest_continuation_is_greedy(plan):
    scored, context = Scored(plan), (3, 1, 4)
    likeliest = tuple(scored.reference.greedy(context, 4)[len(context) :])
    other = (*likeliest[:3], 1 + likeliest[3] % (VOCABULARY - 1))
    requests = [
        ScoreRequest(context, other),
        ScoreRequest(context, likeliest),
        ScoreRequest(context, other[3:]),
    ]
    scores = score_requests(scored.model, requests)
    assert [s.greedy for s in scores] == [False, True, False]
    scored.check(scores, requests)


@pytest.mark.parametrize("head_tokens", [1, 4])
def test_head_in_small_parts_changes_nothing(monkeypatch, head_tokens):
    scored = Scored(SKIPPING)
    requests = [ScoreRequest((1, 2), (3, 4, 5, 6, 7)), ScoreRequest((1, 2), (8, 9, 10, 11))]
    monkeypatch.setattr(phase_aware_scoring, "LOGITS_CHUNK", head_tokens)
    scored.check(score_requests(scored.model, requests), requests)


def test_repeated_requests_are_each_scored():
    scored = Scored(SKIPPING)
    requests = [
        ScoreRequest((1, 2), (3, 4)),
        ScoreRequest((5,), (6,)),
        ScoreRequest((1, 2), (3, 4)),
    ]
    scores = score_requests(scored.model, requests)
    assert scores[0] == scores[2]
    scored.check(scores, requests)


def test_first_token_comes_from_the_prompt_pass():
    """So one-token continuations score as in the dense model, and longer ones do not."""
    plan = kept_layers_plan(6, [0, 3, 5], prompt_dense=True)
    skipping, dense = Scored(plan).model, Scored(dense_plan(6)).model
    one = [ScoreRequest((7, 8, 9), (token,)) for token in (1, 2, 3)]
    assert score_requests(skipping, one) == score_requests(dense, one)
    two = [ScoreRequest((7, 8, 9), (1, 2))]
    difference = (
        score_requests(skipping, two)[0].loglikelihood - score_requests(dense, two)[0].loglikelihood
    )
    assert abs(difference) > 1e-3


@pytest.mark.parametrize("batch_tokens", [1, 6, 2048])
def test_contexts_are_batched_up_to_the_limit_and_run_once(monkeypatch, batch_tokens):
    scored, shapes_seen, done = Scored(SKIPPING), [], []
    requests = [ScoreRequest((1,) * n, (c,)) for n in (1, 3, 2) for c in (4, 5)]
    forward = scored.model.model.forward

    def watched(ids_BT, **kwargs):
        shapes_seen.append((kwargs["phase"], *ids_BT.shape))
        return forward(ids_BT, **kwargs)

    monkeypatch.setattr(scored.model.model, "forward", watched)
    scored.check(
        score_requests(scored.model, requests, batch_tokens=batch_tokens, on_done=done.append),
        requests,
    )
    expected = {1: [(1, 3), (1, 2), (1, 1)], 6: [(2, 3), (1, 1)], 2048: [(3, 3)]}[batch_tokens]
    assert shapes_seen == [("prefill", *shape) for shape in expected]
    assert done == {1: [2, 4, 6], 6: [4, 6], 2048: [6]}[batch_tokens]


@pytest.mark.parametrize("empty", [ScoreRequest((), (1,)), ScoreRequest((1,), ())])
def test_empty_context_or_continuation_is_refused(empty):
    with pytest.raises(ValueError, match=r"\Arequests: [^\n]*\Z"):
        score_requests(Scored(dense_plan(2)).model, [ScoreRequest((1,), (2,)), empty])


def test_no_request_gives_no_score():
    assert score_requests(Scored(dense_plan(2)).model, []) == []

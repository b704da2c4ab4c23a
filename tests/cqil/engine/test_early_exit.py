"""Early exit: reference, scoring and engine against decoding one token after another."""

from itertools import pairwise

import pytest
import torch
from early_exit_cases import (
    OneByOne,
    early_exit_rules,
    inputs_of,
    run_engine,
    run_reference,
    single_steps,
)
from equality import STEPS
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_requests import request_lists
from strategies import examples, shapes
from tiny_models import Shape, tiny_dense, tokens_of

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from cqil import LayerPlan, dense_plan
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.early_exit_rule import EarlyExitRule

pytestmark = pytest.mark.usefixtures("full_float64")
CRITERIA = ["softmax-gap", "saturation"]


@pytest.mark.parametrize("own_prefill", [False, True])
@given(st.data(), early_exit_rules)
@settings(max_examples=examples(60))
def test_engine_equals_one_by_one(own_prefill, data, rule):
    case = data.draw(single_steps(own_prefill))
    dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
    ids_BT, mask_BT, fed_BT = inputs_of(case)
    logits_BTV, depths_BT = run_engine(dense, case.plan, rule, ids_BT, mask_BT, fed_BT)
    naive = OneByOne(dense, case.plan, rule)
    for row, pads in enumerate(case.padding):
        tokens = [*ids_BT[row, pads:].tolist(), *fed_BT[row].tolist()]
        expected_TV = naive.logits(tokens, case.prompt_length - pads)[-1 - STEPS :]
        assert depths_BT[row].tolist() == naive.depths
        torch.testing.assert_close(logits_BTV[row], expected_TV, rtol=0, atol=1e-9)


@given(single_steps(own_prefill=False), early_exit_rules)
@settings(max_examples=examples(60))
def test_engine_equals_the_reference_model(case, rule):
    """Which decodes all tokens in one pass."""
    dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
    ids_BT, mask_BT, fed_BT = inputs_of(case)
    logits_BTV, depths_BT = run_engine(dense, case.plan, rule, ids_BT, mask_BT, fed_BT)
    expected_BTV, expected_BT = run_reference(dense, case.plan, rule, ids_BT, mask_BT, fed_BT)
    assert depths_BT.tolist() == expected_BT.tolist()
    torch.testing.assert_close(logits_BTV[:, 1:], expected_BTV, rtol=0, atol=1e-9)


@given(st.data(), request_lists(), early_exit_rules, shapes, st.sampled_from([1, 12, 2048]))
@settings(max_examples=examples(40))
def test_scores_are_those_of_decoding_one_by_one(data, requests, rule, shape, batch_tokens):
    case = data.draw(single_steps(own_prefill=True))
    dense = tiny_dense(case.plan.num_layers, shape, case.seed)
    model, naive = (
        PlannedLlamaForCausalLM.from_dense(dense, case.plan),
        OneByOne(dense, case.plan, rule),
    )
    scores = score_requests(model, requests, depth_rule=rule, batch_tokens=batch_tokens)
    for score, request in zip(scores, requests, strict=True):
        fed, prompt = request.continuation[:-1], len(request.context)
        logits_TV = naive.logits([*request.context, *fed], prompt)[prompt - 1 :]
        target_T = torch.tensor(request.continuation)
        logp_T = logits_TV.log_softmax(-1).gather(1, target_T[:, None])
        assert score.loglikelihood == pytest.approx(float(logp_T.sum()), rel=1e-9, abs=1e-9)
        assert score.greedy == bool((logits_TV.argmax(-1) == target_T).all())
        if fed:
            assert score.layers == pytest.approx(sum(naive.depths) / len(fed))
        else:
            assert score.layers is None


def test_generated_tokens_are_those_of_one_by_one():
    dense, prompt = tiny_dense(6, Shape(), seed=3), tokens_of(1, 5)
    for rule in (EarlyExitRule("softmax-gap", 0.02), EarlyExitRule("saturation", 0.8)):
        naive = OneByOne(dense, dense_plan(6), rule)
        expected = naive.greedy(prompt[0].tolist(), 10)[5:]
        engine = Engine.from_dense(dense, dense_plan(6), options=EngineOptions(early_exit=rule))
        engine.generate(tokens_of(1, 7, 9), max_new_tokens=10)
        first = engine.exit_depths
        for _ in range(2):  # Another prompt starts afresh, and leaves what was handed out alone.
            assert engine.generate(prompt, max_new_tokens=10)[0].tolist() == expected
            assert [int(depth_B) for depth_B in engine.exit_depths] == naive.depths
        assert len(first) == len(naive.depths) == 9
        assert len(set(naive.depths)) > 1


def depths_at(criterion, threshold, min_layers=1, batch=4):
    """Depths [B, steps] in a dense model of six layers, in the engine and in one pass."""
    dense, ids_BT = tiny_dense(6, Shape(), seed=1), tokens_of(batch, 5)
    inputs = dense, dense_plan(6), EarlyExitRule(criterion, threshold, min_layers), ids_BT
    fed_BT, mask_BT = tokens_of(batch, STEPS, 2), torch.ones_like(ids_BT)
    logits_BTV, depths_BT = run_engine(*inputs, mask_BT, fed_BT)
    assert depths_BT.equal(run_reference(*inputs, mask_BT, fed_BT)[1])
    return logits_BTV, depths_BT


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_threshold_of_almost_one_is_dense(criterion):
    logits_BTV, depths_BT = depths_at(criterion, 1 - 1e-9)
    assert set(depths_BT.flatten().tolist()) == {6}
    dense = PlannedLlamaForCausalLM.from_dense(tiny_dense(6, Shape(), seed=1), dense_plan(6))
    with torch.inference_mode():
        whole_BTV = dense(torch.cat([tokens_of(4, 5), tokens_of(4, STEPS, 2)], dim=1)).logits
    torch.testing.assert_close(logits_BTV, whole_BTV[:, 4:], rtol=0, atol=1e-9)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("min_layers", [1, 4, 6, 9])
def test_a_threshold_of_almost_zero_leaves_after_min_layers(criterion, min_layers):
    """Every gap is above zero; so are these cosines, once layers add little to a state."""
    _, depths_BT = depths_at(criterion, 1e-12, min_layers)
    if criterion == "softmax-gap":
        assert set(depths_BT.flatten().tolist()) == {min(min_layers, 6)}
    assert depths_BT.min() == min(min_layers, 6)


@pytest.mark.parametrize(
    ("criterion", "thresholds"),
    [("softmax-gap", [0.005, 0.02, 0.05, 0.2]), ("saturation", [0.3, 0.6, 0.8, 0.95])],
)
def test_a_first_decoded_token_goes_deeper_the_higher_the_threshold(criterion, thresholds):
    """What it sees is the prompt, which ran in full, whatever the threshold."""
    first = [depths_at(criterion, threshold, batch=16)[1][:, 0] for threshold in thresholds]
    for lower_B, higher_B in pairwise(first):
        assert bool((lower_B <= higher_B).all())
    assert len({tuple(depths_B.tolist()) for depths_B in first}) == len(thresholds)


def test_a_sequence_does_not_feel_when_others_leave():
    dense, rule, fed_BT = (
        tiny_dense(6, Shape(), 1),
        EarlyExitRule("saturation", 0.8),
        tokens_of(3, STEPS, 2),
    )
    ids_BT = tokens_of(3, 5)
    together, depths_BT = run_engine(dense, dense_plan(6), rule, ids_BT, None, fed_BT)
    assert len({tuple(row) for row in depths_BT.tolist()}) == 3
    for row in range(3):
        part = slice(row, row + 1)
        alone, depth = run_engine(dense, dense_plan(6), rule, ids_BT[part], None, fed_BT[part])
        torch.testing.assert_close(alone, together[part], rtol=0, atol=1e-9)
        assert depth.equal(depths_BT[part])


def test_hooks_are_gone_once_it_is_left():
    model = PlannedLlamaForCausalLM.from_dense(tiny_dense(3), dense_plan(3))
    request = [ScoreRequest((1, 2), (3, 4, 5))]
    before = score_requests(model, request)
    left = score_requests(model, request, depth_rule=EarlyExitRule("softmax-gap", 1e-9))
    assert left[0].layers == 1
    assert abs(left[0].loglikelihood - before[0].loglikelihood) > 1e-3
    assert score_requests(model, request) == before


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"layout": Layout(group_parallel_size=2)}, "2 ranks"),
        ({"mode": "compiled"}, "mode compiled"),
    ],
)
def test_ranks_and_graphs_are_refused(options, names):
    with pytest.raises(
        ValueError, match=rf"\Aearly_exit: [^\n]*{names}[^\n]* use one rank[^\n]*\Z"
    ):
        Engine.from_dense(
            tiny_dense(2),
            dense_plan(2),
            options=EngineOptions(early_exit=EarlyExitRule("saturation", 0.9), **options),
        )


def test_no_token_leaves_within_a_ladder():
    plan = LayerPlan(num_layers=3, groups=((0,), (1,), (2,)), ladder=(0, 2))
    engine = Engine.from_dense(
        tiny_dense(3), plan, options=EngineOptions(early_exit=EarlyExitRule("saturation", 0.5, 1))
    )
    engine.prefill(tokens_of(1, 3), max_tokens=8)
    with pytest.raises(ValueError, match="early_exit: no token can leave within a ladder"):
        engine.decode_step(torch.tensor([1]))

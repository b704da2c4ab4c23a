"""Choices that fill the context of the model: scored exactly as lm-eval's HFLM scores them."""

import pytest
from lm_eval.models.huggingface import HFLM

from benchmarks.accuracy.multiple_choice import PhaseAwareLM
from cqil import dense_plan
from cqil.modeling import PlannedLlamaForCausalLM

CONTEXT = 12


@pytest.fixture(scope="module")
def both(tiny_llama):
    """lm-eval's own model, and ours, over one LLaMA with a short context."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    dense = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    dense.config.max_position_embeddings = CONTEXT
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    planned = PlannedLlamaForCausalLM.from_dense(dense, dense_plan(4))
    peer = HFLM(pretrained=dense, tokenizer=tokenizer, backend="causal", device="cpu")
    return peer, PhaseAwareLM(planned, tokenizer, "tiny")


def request(context, continuation):
    tokens = list(range(2, 2 + context)), list(range(50, 50 + continuation))
    return (("", ""), *tokens)


@pytest.mark.filterwarnings("ignore:a context of")
@pytest.mark.parametrize(
    ("context", "continuation"),
    [(5, 3), (9, 3), (10, 3), (11, 3), (30, 3), (4, 11), (4, 12), (1, 12)],
)
def test_long_contexts_are_cut_as_lm_eval_cuts_them(both, context, continuation):
    peer, ours = (lm._loglikelihood_tokens([request(context, continuation)]) for lm in both)
    assert ours[0] == (pytest.approx(peer[0][0], rel=1e-5), peer[0][1])


def test_a_cut_is_told_and_a_continuation_that_is_too_long_is_refused(both):
    _, ours = both
    with pytest.warns(UserWarning, match="a context of 30 tokens is cut to its last 10"):
        ours._loglikelihood_tokens([request(30, 3)])
    with pytest.raises(ValueError, match=r"\Atasks: a continuation of 13 tokens [^\n]*\Z"):
        ours._loglikelihood_tokens([request(1, 13)])

"""The dense plan is bit-equal to the stock model, whatever is asked of it."""

import pytest
import torch
from reference import Reference
from tiny_models import Shape, left_padded, tiny_dense, tokens_of

from cqil import dense_plan
from cqil.modeling import PlannedLlamaForCausalLM

SHAPES = [Shape(), Shape(kv_heads=1, tied=True, attention_bias=True, mlp_bias=True)]
PADDING = [2, 0, 4]


@pytest.fixture(params=SHAPES, ids=["plain", "tied, with biases"])
def pair(request):
    """A stock model and the dense plan over its weights."""
    stock = tiny_dense(5, request.param)
    return stock, PlannedLlamaForCausalLM.from_dense(stock, dense_plan(5))


@pytest.fixture
def prompt():
    return tokens_of(3, 6)


def test_forward(pair, prompt):
    stock, planned = pair
    assert torch.equal(planned(prompt).logits, stock(prompt).logits)


def test_forward_from_embeddings(pair, prompt):
    stock, planned = pair
    embedded = stock.get_input_embeddings()(prompt)
    assert torch.equal(planned(inputs_embeds=embedded).logits, stock(prompt).logits)


def test_forward_left_padded(pair, prompt):
    stock, planned = pair
    ids_BT, mask_BT = left_padded(prompt, PADDING)
    expected = stock(ids_BT, attention_mask=mask_BT).logits
    assert torch.equal(planned(ids_BT, attention_mask=mask_BT).logits, expected)
    assert not torch.equal(planned(ids_BT).logits, expected)


def test_forward_needs_one_kind_of_input(pair, prompt):
    _, planned = pair
    with pytest.raises(ValueError, match=r"\Ainput_ids, inputs_embeds: [^\n]*\Z"):
        planned()


def test_hidden_states_and_attentions(pair, prompt):
    stock, planned = pair
    for model in pair:
        model.set_attn_implementation("eager")
    asked = {"output_hidden_states": True, "output_attentions": True}
    expected, output = stock(prompt, **asked), planned(prompt, **asked)
    assert len(output.hidden_states) == 6
    assert len(output.attentions) == 5
    pairs = zip(
        (*output.hidden_states, *output.attentions),
        (*expected.hidden_states, *expected.attentions),
        strict=True,
    )
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_loss_and_gradients(pair, prompt):
    stock, planned = pair
    expected = stock(prompt, labels=prompt).loss
    loss = planned(prompt, labels=prompt).loss
    assert torch.equal(loss, expected)
    weights = list(stock.parameters())  # shared with the planned model
    for ours, theirs in zip(
        torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cache_implementation": "static"},
        {"use_cache": False},
        {"num_beams": 3},
        {"prefill_chunk_size": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("padded", [False, True])
def test_generate(pair, prompt, options, padded):
    stock, planned = pair
    ids_BT, mask_BT = left_padded(prompt, PADDING if padded else [0, 0, 0])
    asked = {"attention_mask": mask_BT, "max_new_tokens": 6, "output_scores": True} | options
    expected, output = (
        model.generate(ids_BT, return_dict_in_generate=True, **asked) for model in (stock, planned)
    )
    assert torch.equal(output.sequences, expected.sequences)
    assert output.sequences.shape == (3, 12)
    assert torch.equal(torch.stack(output.scores), torch.stack(expected.scores))


@torch.no_grad()
def test_reference_agrees_with_stock_llama_to_its_float32_norms(pair, prompt):
    """The reference that the other tests lean on is itself held against Transformers."""
    stock, _ = pair
    expected = stock(prompt).logits
    for row, ids in enumerate(prompt):
        ours = Reference(stock, dense_plan(5)).logits(ids, prompt_length=3)
        torch.testing.assert_close(ours, expected[row], rtol=1e-5, atol=1e-5)

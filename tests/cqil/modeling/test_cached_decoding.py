"""Cached decoding equals the naive reference: any plan, any shape, any padding, either cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Reference
from strategies import cases, examples
from tiny_models import left_padded, tiny_dense, tokens_of
from transformers import DynamicCache, StaticCache

from cqil import LayerPlan, kept_layers_plan, uniform_plan
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
many = settings(max_examples=examples(80))
STEPS = 4


class Run:
    """A drawn case: the planned model with its batch, and what the reference says of each row."""

    def __init__(self, case, static):
        self.prompt = case.prompt_length
        self.dense = tiny_dense(case.plan.num_layers, case.shape, case.seed)
        self.model = PlannedLlamaForCausalLM.from_dense(self.dense, case.plan)
        ids_BT = tokens_of(len(case.padding), self.prompt + STEPS, case.seed)
        self.ids_BT, self.mask_BT = left_padded(ids_BT, case.padding)
        self.padding = case.padding
        self.reference = Reference(self.dense, case.plan)
        length = self.prompt + STEPS + 2
        config = self.model.config
        self.cache = StaticCache(config, max_cache_len=length) if static else DynamicCache()

    def forward(self, start, end):
        """Logits of the tokens [start, end), over the cache of those before."""
        return self.model(
            self.ids_BT[:, start:end],
            attention_mask=self.mask_BT[:, :end],
            past_key_values=self.cache,
        ).logits

    def check(self, logits_BTV):
        for row, pads in enumerate(self.padding):
            expected = self.reference.logits(self.ids_BT[row, pads:], self.prompt - pads)
            torch.testing.assert_close(logits_BTV[row, pads:], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("own_prefill", [False, True])
@many
@given(st.data(), st.booleans())
@torch.no_grad()
def test_one_token_at_a_time(own_prefill, data, static):
    run = Run(data.draw(cases(own_prefill)), static)
    logits = [run.forward(0, run.prompt)]
    logits += [run.forward(t, t + 1) for t in range(run.prompt, run.prompt + STEPS)]
    run.check(torch.cat(logits, dim=1))


@pytest.mark.parametrize("own_prefill", [False, True])
@many
@given(st.data(), st.booleans())
@torch.no_grad()
def test_continuation_in_one_forward(own_prefill, data, static):
    run = Run(data.draw(cases(own_prefill)), static)
    logits = [run.forward(0, run.prompt), run.forward(run.prompt, run.prompt + STEPS)]
    run.check(torch.cat(logits, dim=1))


SKIPPING = LayerPlan(
    num_layers=6, groups=((1, 3), (4,)), prefill=((0,), (1, 2), (3, 4), (5,)), bypass=1
)


@pytest.mark.parametrize("plan", [SKIPPING, kept_layers_plan(6, [2, 5], prompt_dense=True)])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_generate_with_its_own_prefill(plan, cache):
    dense = tiny_dense(6)
    padding = [0, 3]
    ids_BT, mask_BT = left_padded(tokens_of(2, 5), padding)
    output_BT = PlannedLlamaForCausalLM.from_dense(dense, plan).generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=5, cache_implementation=cache
    )
    for row, pads in enumerate(padding):
        expected = Reference(dense, plan).greedy(ids_BT[row, pads:].tolist(), 5)
        assert output_BT[row, pads:].tolist() == expected


def test_phases_matter():
    """Else the tests above could not tell a prompt from what follows it."""
    model = PlannedLlamaForCausalLM.from_dense(tiny_dense(6), SKIPPING)
    ids_BT = tokens_of(1, 6)
    as_prompt = model(ids_BT).logits
    assert torch.equal(model(ids_BT, phase="prefill").logits, as_prompt)
    assert not torch.allclose(model(ids_BT, phase="decode").logits, as_prompt, atol=1e-3)


def test_second_prompt_after_generated_tokens_is_refused():
    model = PlannedLlamaForCausalLM.from_dense(tiny_dense(6), SKIPPING)
    cache = DynamicCache()
    first_BT = model.generate(tokens_of(1, 4), past_key_values=cache, max_new_tokens=3)
    second_BT = torch.cat([first_BT, tokens_of(1, 3)], dim=1)
    with pytest.raises(ValueError, match=r"\Apast_key_values: [^\n]*empty cache\Z"):
        model.generate(second_BT, past_key_values=cache, max_new_tokens=3)


def test_second_prompt_is_welcome_where_no_layer_skips():
    dense, plan = tiny_dense(6), uniform_plan(6, 1, 5, 2, bypass=1)
    model, cache = PlannedLlamaForCausalLM.from_dense(dense, plan), DynamicCache()
    first_BT = model.generate(tokens_of(1, 4), past_key_values=cache, max_new_tokens=3)
    second_BT = torch.cat([first_BT, tokens_of(1, 3)], dim=1)
    output_BT = model.generate(second_BT, past_key_values=cache, max_new_tokens=3)
    assert output_BT[0].tolist() == Reference(dense, plan).greedy(second_BT[0].tolist(), 3)


def test_generation_without_a_cache_is_refused_only_with_its_own_prefill():
    dense, ids_BT = tiny_dense(6), tokens_of(1, 4)
    skipping = PlannedLlamaForCausalLM.from_dense(dense, SKIPPING)
    with pytest.raises(ValueError, match=r"\Ause_cache: False[^\n]*\Z"):
        skipping.generate(ids_BT, max_new_tokens=2, use_cache=False)
    kept = PlannedLlamaForCausalLM.from_dense(dense, kept_layers_plan(6, [2, 5]))
    cached_BT = kept.generate(ids_BT, max_new_tokens=4)
    assert torch.equal(kept.generate(ids_BT, max_new_tokens=4, use_cache=False), cached_BT)

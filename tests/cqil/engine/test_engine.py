"""The one-device engine equals PlannedLlama in float64: any plan, any shape, batch and padding."""

import pytest
import torch
from equality import check_equal
from hypothesis import given, settings
from strategies import cases, examples
from tiny_models import left_padded, tiny_dense, tokens_of
from transformers import LlamaForCausalLM

from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")


@given(cases(own_prefill=False))
@settings(max_examples=examples(120))
def test_engine_equals_the_reference(case):
    check_equal(case)


@given(cases(own_prefill=True))
@settings(max_examples=examples(120))
def test_engine_equals_the_reference_with_an_own_prefill(case):
    check_equal(case)


@pytest.mark.parametrize(
    "plan",
    [
        dense_plan(6),
        uniform_plan(6, 1, 6, 2, 1),
        uniform_plan(6, 0, 6, 4, 0, "mean"),
        kept_layers_plan(6, [0, 2, 5], prompt_dense=True),
    ],
    ids=lambda plan: plan.slug,
)
def test_greedy_text_is_the_references(plan):
    dense = tiny_dense(6)
    dense.config.eos_token_id = dense.generation_config.eos_token_id = 7
    ids_BT, mask_BT = left_padded(tokens_of(3, 5), [0, 2, 4])
    reference = PlannedLlamaForCausalLM.from_dense(dense, plan)
    expected = reference.generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=20, do_sample=False
    )
    got = Engine.from_dense(dense, plan).generate(ids_BT, mask_BT, max_new_tokens=20)
    assert torch.equal(got, expected[:, 5:])


def test_sampling_follows_its_generator():
    engine = Engine.from_dense(tiny_dense(3), dense_plan(3))
    ids_BT = tokens_of(2, 4)

    def sample(seed):
        source = torch.Generator().manual_seed(seed)
        return engine.generate(ids_BT, max_new_tokens=12, temperature=1.5, generator=source)

    assert torch.equal(sample(0), sample(0))
    assert not torch.equal(sample(0), sample(1))


def test_loading_from_shards_equals_loading_from_memory(tmp_path):
    dense, plan, ids_BT = tiny_dense(4), uniform_plan(4, 1, 4, 2), tokens_of(1, 5)
    dense.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = Engine.load(str(tmp_path), plan, dtype=torch.float64)
    expected = Engine.from_dense(dense, plan).prefill(ids_BT, max_tokens=5)
    torch.testing.assert_close(loaded.prefill(ids_BT, max_tokens=5), expected)
    next(tmp_path.glob("*-00002-*.safetensors")).unlink()
    with pytest.raises(ValueError, match=r"shard [^\n]* is missing"):
        Engine.load(str(tmp_path), plan)


def test_damaged_weights_are_refused():
    dense = tiny_dense(2)
    dense.model.layers[1].mlp.up_proj.weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"\Amodel\.layers\.1\.mlp\.up_proj\.weight: [^\n]*NaN"):
        Engine.from_dense(dense, dense_plan(2))
    Engine.from_dense(dense, kept_layers_plan(2, [0]))


def test_misuse_is_one_line():
    engine = Engine.from_dense(tiny_dense(2), dense_plan(2))
    with pytest.raises(ValueError, match="prefill first"):
        engine.decode_step(torch.tensor([1]))
    with pytest.raises(ValueError, match="less than the prompt"):
        engine.prefill(tokens_of(1, 5), max_tokens=4)
    engine.prefill(tokens_of(1, 4), max_tokens=4)
    with pytest.raises(ValueError, match="cache is full"):
        engine.decode_step(torch.tensor([1]))
    with pytest.raises(ValueError, match="num_layers"):
        Engine.from_dense(tiny_dense(3), dense_plan(2))


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        ([[1, 1, 0]], "pad prompts on the left"),
        ([[1, 0, 1]], "pad prompts on the left"),
        ([[0, 0, 0]], "pad prompts on the left"),
        ([[1, 1]], "one entry a token"),
    ],
)
def test_a_mask_that_is_not_of_the_left_is_refused(mask, word):
    engine = Engine.from_dense(tiny_dense(2), dense_plan(2))
    with pytest.raises(ValueError, match=word):
        engine.prefill(tokens_of(1, 3), torch.tensor(mask), max_tokens=4)


def test_what_cannot_be_generated_from_is_refused():
    dense = tiny_dense(2)
    engine = Engine.from_dense(dense, dense_plan(2))
    with pytest.raises(ValueError, match="ids_BT: has the shape"):
        engine.prefill(torch.empty(1, 0, dtype=torch.long), max_tokens=4)
    with pytest.raises(ValueError, match="ids_BT: has the shape"):
        engine.prefill(torch.tensor([1, 2]), max_tokens=4)
    with pytest.raises(ValueError, match="max_new_tokens: 0"):
        engine.generate(tokens_of(1, 3), max_new_tokens=0)
    with pytest.raises(ValueError, match="rank: 1"):
        Engine.from_dense(dense, dense_plan(2), rank=1)


def test_packing_leaves_the_model_as_it_was():
    dense = tiny_dense(3)
    before = {name: tensor.clone() for name, tensor in dense.state_dict().items()}
    Engine.from_dense(dense, uniform_plan(3, 0, 3, 3))
    assert isinstance(dense, LlamaForCausalLM)
    assert all(torch.equal(before[name], tensor) for name, tensor in dense.state_dict().items())


def test_a_second_prompt_of_the_same_shape_starts_afresh():
    dense, plan = tiny_dense(3), uniform_plan(3, 0, 2, 2)
    engine, prompts = Engine.from_dense(dense, plan), [tokens_of(2, 4, seed) for seed in (1, 2)]
    for ids_BT, padding in zip(prompts, ([0, 3], [2, 1]), strict=True):
        ids_BT, mask_BT = left_padded(ids_BT, padding)
        fresh = Engine.from_dense(dense, plan)
        pair = [e.prefill(ids_BT, mask_BT, max_tokens=8) for e in (engine, fresh)]
        assert torch.equal(*pair)
        for token in (5, 6, 7):
            pair = [e.decode_step(torch.tensor([token, token + 1])) for e in (engine, fresh)]
            assert torch.equal(*pair)

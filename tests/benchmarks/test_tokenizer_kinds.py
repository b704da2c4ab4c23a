"""With every kind of tokenizer texts, windows and choices are those of Transformers and lm-eval."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from strategies import examples
from tokenizer_kinds import KINDS, LINES
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from benchmarks.accuracy.multiple_choice import PhaseAwareLM
from benchmarks.data.texts import text_digest, write_documents
from benchmarks.data.token_windows import text_windows
from cqil import dense_plan
from cqil.checkpoint import open_checkpoint
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

LAYERS, NEW = 2, 16
WORDS = [*" ".join(LINES[:20]).split(), "  7.", "ß"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    """A LLaMA with such a tokenizer, and end tokens that greedy text meets."""
    path = tmp_path_factory.mktemp("tokenizer")
    KINDS[request.param](path)
    LlamaConfig().save_pretrained(path)  # Transformers looks up the tokenizer's class there
    vocabulary = len(AutoTokenizer.from_pretrained(path))
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=[2, *range(10, vocabulary, 12)],
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def stock(folder):
    return LlamaForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@settings(max_examples=examples(12))
@given(words=texts)
def test_texts_are_those_of_transformers(folder, stock, words):
    model, tokenizer = stock
    checkpoint, prompt = open_checkpoint(folder), " ".join(words)
    ids_BT = torch.tensor([checkpoint.tokenizer(prompt)["input_ids"]])
    assert ids_BT.tolist() == [tokenizer(prompt)["input_ids"]]
    if not ids_BT.numel():
        return
    settings = {"do_sample": False, "max_new_tokens": NEW, "pad_token_id": 0}
    whole_BT = model.generate(ids_BT, attention_mask=torch.ones_like(ids_BT), **settings)
    new_BT = Engine.load(checkpoint).generate(ids_BT, max_new_tokens=NEW)
    text = checkpoint.tokenizer.decode([*ids_BT[0], *new_BT[0]], skip_special_tokens=True)
    assert text == tokenizer.decode(whole_BT[0], skip_special_tokens=True)


@settings(max_examples=examples(12))
@given(context=texts, continuation=texts)
def test_choices_are_scored_as_lm_eval_scores_them(folder, stock, context, continuation):
    model, tokenizer = stock
    peer = HFLM(pretrained=model, tokenizer=tokenizer, backend="causal", device="cpu")
    planned = PlannedLlamaForCausalLM.from_dense(model, dense_plan(LAYERS))
    ours = PhaseAwareLM(planned, open_checkpoint(folder).tokenizer, "tiny")
    arguments = (" ".join(context), f" {' '.join(continuation)}")
    request = Instance("loglikelihood", {}, arguments, 0)
    (expected,), (scored,) = (lm.loglikelihood([request]) for lm in (peer, ours))
    assert scored[0] == pytest.approx(expected[0], rel=1e-4)
    assert bool(scored[1]) == bool(expected[1])


def test_windows_are_the_first_tokens(folder, stock, tmp_path):
    _, tokenizer = stock
    path, text = tmp_path / "own.jsonl", " ".join(LINES[:20])
    write_documents(path, [{"sha256": text_digest(text), "part": "evaluation", "text": text}])
    (window,) = text_windows(open_checkpoint(folder).tokenizer, [path], "evaluation", 1, 32)
    assert window.tokens == tokenizer(text)["input_ids"][:32]

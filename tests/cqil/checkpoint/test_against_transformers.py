"""On drawn folders every way in gives the model that Transformers gives, or one line."""

import tempfile
from pathlib import Path

import pytest
import torch
from drawn_checkpoints import CHANGES, VOCABULARY, folders
from full_precision import float64_norms
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples
from transformers import LlamaForCausalLM

from cqil import dense_plan
from cqil.checkpoint import open_checkpoint
from cqil.engine import Engine
from cqil.modeling import PlannedLlamaForCausalLM

IDS_BT = torch.tensor([[1, 4, 9, 16], [2, 3, 5, 7]]) % VOCABULARY
NEW = 16


def stock_of(path):
    """Transformers' model in float64, or None where it does not load every weight as stored."""
    try:
        model, info = LlamaForCausalLM.from_pretrained(
            path, dtype=torch.float64, output_loading_info=True
        )
    except Exception:  # what it raises is not what is tested
        return None
    incomplete = info["missing_keys"] or info["mismatched_keys"] or info["error_msgs"]
    return None if incomplete else model.eval()


def check_equal(checkpoint, stock):
    """Logits of all ways in, and greedy text of those that write it."""
    expected_BTV = stock(IDS_BT).logits
    plan = dense_plan(checkpoint.config.num_hidden_layers)
    dense = checkpoint.load_dense(torch.float64)
    planned = PlannedLlamaForCausalLM.from_dense(dense, plan)
    for model in (dense, planned):
        torch.testing.assert_close(model(IDS_BT).logits, expected_BTV, rtol=1e-9, atol=1e-9)
    from_files = Engine.load(checkpoint, dtype=torch.float64)
    for engine in (from_files, Engine.from_dense(dense, plan)):
        logits_BV = engine.prefill(IDS_BT, max_tokens=4)
        torch.testing.assert_close(logits_BV, expected_BTV[:, -1], rtol=1e-9, atol=1e-9)
    if checkpoint.generation.unsupported is not None:
        with pytest.raises(ValueError, match=r"\A[^\n]*generation_config.json\Z"):
            from_files.generate(IDS_BT, max_new_tokens=NEW)
        return
    greedy = {"do_sample": False, "max_new_tokens": NEW, "attention_mask": torch.ones_like(IDS_BT)}
    text_BT = stock.generate(IDS_BT, **greedy)[:, IDS_BT.shape[1] :]
    assert from_files.generate(IDS_BT, max_new_tokens=NEW).tolist() == text_BT.tolist()
    assert planned.generate(IDS_BT, **greedy)[:, IDS_BT.shape[1] :].tolist() == text_BT.tolist()


def check(folder):
    with tempfile.TemporaryDirectory() as parent, float64_norms():
        path = Path(parent) / "model"
        folder.write(path)
        if folder.refused:
            with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
                open_checkpoint(path).check_weights()
            return
        checkpoint = open_checkpoint(path)
        checkpoint.check_weights()
        stock = stock_of(path)
        assert stock is not None
        check_equal(checkpoint, stock)


@settings(max_examples=examples(400))
@given(folders())
@torch.no_grad()
def test_any_folder(folder):
    check(folder)


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=examples(4))
@given(data=st.data())
@torch.no_grad()
def test_each_change_alone(name, data):
    check(data.draw(folders(changes=st.just([name]))))

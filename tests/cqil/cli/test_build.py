"""`cqil build` and `cqil generate` on a checkpoint on disk, as a user runs them."""

import huggingface_hub.constants
import pytest
import torch
from tiny_models import tokens_of
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from cqil.modeling import PlannedLlamaForCausalLM


@pytest.mark.parametrize("slug", ["dense", "S1-E3-P2-D1"])
def test_build_saves_what_transformers_loads(cqil, tiny_llama, tmp_path, slug):
    code, out, _ = cqil("build", slug, "--model", tiny_llama, "--out", "built")
    assert (code, [path.name for path in tmp_path.iterdir()]) == (0, ["built"])
    assert out.startswith(f"{slug}: 4 layers")
    built = AutoModelForCausalLM.from_pretrained(tmp_path / "built").eval()
    dense = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    expected = PlannedLlamaForCausalLM.from_dense(dense, built.plan)
    ids_BT = tokens_of(1, 6)
    assert built.plan.slug == slug
    torch.testing.assert_close(built(ids_BT).logits, expected(ids_BT).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "built")
    assert (
        tokenizer("layer")["input_ids"]
        == AutoTokenizer.from_pretrained(tiny_llama)("layer")["input_ids"]
    )


def test_generate_continues_the_prompt(cqil, tiny_llama):
    code, out, _ = cqil("generate", "S1-E3-P2-D1", "--model", tiny_llama, "--prompt", "a layer")
    assert code == 0
    assert out.startswith("a layer")


@pytest.mark.parametrize("command", [["inspect"], ["build", "--out", "built"]])
def test_model_that_is_not_there_is_refused(cqil, monkeypatch, tmp_path, command):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    code, _, err = cqil(*command, "dense", "--model", tmp_path / "absent")
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.startswith("error: model: ")

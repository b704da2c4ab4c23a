"""`cqil build` and `cqil generate` on a checkpoint on disk, as a user runs them."""

import json

import huggingface_hub.constants
import pytest
import torch
from tiny_models import tokens_of
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from cqil import dense_plan, kept_layers_plan
from cqil.edits.edited_weights import apply_edits
from cqil.edits.weight_edit import LayerMerge
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.early_exit_rule import EarlyExitRule

PLANS = [dense_plan(4), kept_layers_plan(4, [0, 3])]


def write_manifest(path, tiny_llama, plan, **others):
    """A variant's manifest, as far as the commands read it."""
    manifest = {"plan": plan.to_dict(), "model": {"path": str(tiny_llama)}, **others}
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("slug", ["S1-E3-P2-D1", "S0-E4-P2-D0"])
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


def test_a_plan_that_only_leaves_out_layers_is_saved_as_a_llama(cqil, tiny_llama, tmp_path):
    plan, ids_BT = kept_layers_plan(4, [0, 2, 3]), tokens_of(1, 6)
    (tmp_path / "plan.json").write_text(plan.to_json())
    code, out, _ = cqil("build", "plan.json", "--model", tiny_llama, "--out", "built")
    assert code == 0
    assert "a plain LLaMA" in out
    built = AutoModelForCausalLM.from_pretrained(tmp_path / "built").eval()
    assert type(built) is LlamaForCausalLM
    assert json.loads((tmp_path / "built" / "config.json").read_text())["num_hidden_layers"] == 3
    dense = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    expected = PlannedLlamaForCausalLM.from_dense(dense, plan)
    torch.testing.assert_close(built(ids_BT).logits, expected(ids_BT).logits)


def test_merges_of_a_manifest_are_applied(cqil, tiny_llama, tmp_path):
    plan, merges, ids_BT = kept_layers_plan(4, [0, 1, 3]), [LayerMerge(1, (2,))], tokens_of(1, 6)
    written = [merge.to_dict() for merge in merges]
    write_manifest(tmp_path / "laco.json", tiny_llama, plan, edits=written)
    assert cqil("build", "laco.json", "--out", "built")[0] == 0
    dense = LlamaForCausalLM.from_pretrained(tiny_llama).eval()
    apply_edits(dense, merges)
    expected = PlannedLlamaForCausalLM.from_dense(dense, plan)
    built = AutoModelForCausalLM.from_pretrained(tmp_path / "built").eval()
    torch.testing.assert_close(built(ids_BT).logits, expected(ids_BT).logits)
    prompt = "a layer takes in another"
    texts = [
        cqil("generate", *arguments, "--prompt", prompt)[1]
        for arguments in (["laco.json"], ["dense", "--model", tmp_path / "built"])
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("others", "what"),
    [
        (
            {"schedule": {"plans": [PLANS[0].to_dict(), PLANS[1].to_dict()], "starts": [0, 2]}},
            "schedule",
        ),
        ({"early_exit": EarlyExitRule("saturation", 0.9, 1).to_dict()}, "early exit"),
    ],
)
def test_what_no_saved_model_holds_is_generated_but_not_built(
    cqil, tiny_llama, tmp_path, others, what
):
    write_manifest(tmp_path / "variant.json", tiny_llama, PLANS[0], **others)
    code, _, err = cqil("build", "variant.json", "--out", "built")
    assert (code, len(err.splitlines())) == (2, 1)
    assert what in err
    assert not (tmp_path / "built").exists()
    code, out, _ = cqil("generate", "variant.json", "--prompt", "a layer")
    assert code == 0
    assert out.startswith("a layer")


def test_a_built_folder_names_its_plan(cqil, tiny_llama, tmp_path):
    cqil("build", "S1-E3-P2-D1", "--model", tiny_llama, "--out", "built")
    _, built, _ = cqil("generate", "built", "--prompt", "a layer")
    _, planned, _ = cqil("generate", "S1-E3-P2-D1", "--model", tiny_llama, "--prompt", "a layer")
    assert built == planned
    code, _, err = cqil("generate", tiny_llama, "--prompt", "a layer")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "is a dense checkpoint" in err


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

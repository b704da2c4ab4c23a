"""A healed variant is one more manifest, which every path reads alike."""

import json

import pytest
import torch
from measurements import CPU, WINDOW
from tiny_models import tokens_of
from transformers import AutoModelForCausalLM

import cqil.modeling  # noqa: F401, Transformers then loads planned folders
from benchmarks.accuracy.perplexity import measure_perplexity
from benchmarks.accuracy.text_generation import load_variant_engine
from benchmarks.healing.heal import heal
from benchmarks.models.load_model import load_planned
from benchmarks.models.variants import read_variant, write_variant
from cqil.cli.app import app as cqil_app
from cqil.cli.run_app import run_app
from cqil.healing.refit import RefitOptions

PAIRS = {"method": "uniform", "group_size": 2, "start": 1, "end": 3, "bypass": 1}


@pytest.fixture
def unhealed(manifest, tmp_path):
    (tmp_path / "model.json").write_text(manifest.read_text())
    write_variant("pairs", PAIRS, manifest, None, None, tmp_path / "pairs.json")
    return tmp_path / "pairs.json"


def healed(unhealed, text, options=RefitOptions(), tokens=48):  # noqa: B008, frozen
    out = unhealed.with_name("healed.json")
    heal(unhealed, [text], tokens, WINDOW, options, CPU, out)
    return out


def test_every_path_reads_the_healed_weights(unhealed, text, tmp_path, monkeypatch):
    variant = read_variant(healed(unhealed, text, RefitOptions(ridges=(1e-3,), held_out=0.5)))
    before = read_variant(unhealed)
    assert (variant.name, variant.plan) == ("healed", before.plan)
    (edit,) = variant.edits
    assert (edit.made["method"], edit.made["tokens"]) == ("refit", 48)
    ids_BT = tokens_of(2, 6)
    with torch.inference_mode():
        expected = load_planned(variant, "cpu", "float32")(ids_BT).logits
        unchanged = load_planned(before, "cpu", "float32")(ids_BT).logits
    assert edit.made["ridges"] == {"1": None} or not torch.equal(expected, unchanged)
    engine = load_variant_engine(variant, "cpu", "float32")
    found = engine.prefill(ids_BT, max_tokens=7)
    torch.testing.assert_close(found, expected[:, -1], rtol=1e-4, atol=1e-5)
    arguments = ["cqil", "build", str(unhealed.with_name("healed.json"))]
    monkeypatch.setattr("sys.argv", [*arguments, "--out", str(tmp_path / "built")])
    with pytest.raises(SystemExit) as ended:
        run_app(cqil_app)
    assert not ended.value.code
    with torch.inference_mode():
        built = AutoModelForCausalLM.from_pretrained(tmp_path / "built")(ids_BT).logits
    torch.testing.assert_close(built, expected, rtol=1e-5, atol=1e-6)
    result = measure_perplexity(variant, [text], None, WINDOW, CPU)
    assert result.edits == [json.loads(json.dumps(edit.to_dict()))]


def test_a_run_that_was_interrupted_goes_on(unhealed, text):
    first = healed(unhealed, text)
    weights = first.with_suffix(".safetensors").read_bytes()
    stages = sorted(first.with_suffix("").glob("stage-*.safetensors"))
    assert [stage.name for stage in stages] == ["stage-1.safetensors"]
    first.unlink()
    assert healed(unhealed, text).with_suffix(".safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"method": "unified", "rule": "even", "depth": 2}, r"healed: refit changes weights for"),
        (None, r"variant: [^\n]* has edits already"),
    ],
)
def test_what_refit_cannot_heal_is_one_line(unhealed, manifest, text, options, line):
    if options is None:
        unhealed = healed(unhealed, text)
    else:
        write_variant("skip", options, manifest, None, None, unhealed)
    with pytest.raises(ValueError, match=rf"\A{line}[^\n]*\Z"):
        healed(unhealed, text)


def test_more_tokens_than_there_are(unhealed, text):
    with pytest.raises(ValueError, match=r"\Atokens: [^\n]* are needed; lower tokens[^\n]*\Z"):
        healed(unhealed, text, tokens=10**6)

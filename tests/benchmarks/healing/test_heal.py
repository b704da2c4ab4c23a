"""A healed variant is one more manifest, which every path reads alike."""

import json

import pytest
import torch
from measurements import CPU, DOCUMENTS, WINDOW
from tiny_models import tokens_of
from torch.nn import functional as F  # noqa: N812
from transformers import AutoModelForCausalLM

import cqil.modeling  # noqa: F401, Transformers then loads planned folders
from benchmarks.accuracy.perplexity import measure_perplexity
from benchmarks.accuracy.text_generation import load_variant_engine
from benchmarks.config.healing import HealingSection, parse_step
from benchmarks.healing import refit_step, training_step
from benchmarks.healing.heal import heal
from benchmarks.healing.healing_text import HealingText
from benchmarks.models.load_model import load_planned
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import read_variant, write_variant
from cqil.cli.app import app as cqil_app
from cqil.cli.run_app import run_app

PAIRS = {"method": "uniform", "group_size": 2, "start": 1, "end": 3, "bypass": 1}
SKIP = {"method": "unified", "rule": "even", "depth": 2}
DECAY = {"method": "skipdecode", "max_depth": 4, "min_depth": 2, "tokens": 4}
REFIT = {"method": "refit", "tokens": 32, "ridges": [1e-3], "held_out": 0.5}
SMALL = {"tokens": 96, "step_tokens": 32, "learning_rate": 1e-2}
LORA = {"method": "lora", "rank": 2, "alpha": 4, **SMALL}
FULL = {"method": "full", **SMALL}
DATA = HealingSection(window=WINDOW, held_out=1)


@pytest.fixture
def unhealed(manifest, tmp_path):
    write_variant("pairs", PAIRS, manifest, None, None, tmp_path / "pairs.json")
    return tmp_path / "pairs.json"


def healed(before, text, step, name="healed", **section):
    out = before.with_name(f"{name}.json")
    data = HealingText(DATA.model_copy(update=section), [text], [text])
    heal(before, parse_step(step), data, CPU, out)
    return out


@torch.inference_mode()
def logits(variant, ids_BT):
    return load_planned(variant, "cpu", "float32")(ids_BT).logits


@pytest.mark.parametrize("step", [REFIT, LORA, FULL], ids=lambda step: step["method"])
def test_every_path_reads_the_healed_weights(step, unhealed, text, tmp_path, monkeypatch):
    variant, before = read_variant(healed(unhealed, text, step)), read_variant(unhealed)
    assert (variant.name, variant.plan) == ("healed", before.plan)
    (edit,) = variant.edits
    made = edit.made
    assert (made["method"], made["window"]) == (step["method"], WINDOW)
    assert [made["course"][place]["tokens"] for place in (0, -1)] == [0, step["tokens"]]
    assert made["course"][-1]["held_out"] > 0
    assert made["dense_held_out"] > 0
    ids_BT = tokens_of(2, 6)
    expected = logits(variant, ids_BT)
    assert not torch.equal(expected, logits(before, ids_BT)) or made["stage_ridges"] == {"1": None}
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


def test_steps_go_on_from_those_before(unhealed, text):
    first = healed(unhealed, text, REFIT | {"tokens": 16}, "first", window=8)
    second = read_variant(healed(first, text, LORA, "second", window=8))
    assert [edit.kind for edit in second.edits] == ["refit", "adapter"]
    assert [edit.made["windows"] for edit in second.edits] == [2, 4]
    third = read_variant(healed(first, text, LORA | {"tokens": 0}, "third"))
    ids_BT = tokens_of(2, 6)
    assert torch.equal(logits(third, ids_BT), logits(read_variant(first), ids_BT))


def test_a_healed_plan_may_skip(unhealed, manifest, text):
    write_variant("skip", SKIP, manifest, None, None, unhealed)
    variant = read_variant(healed(unhealed, text, LORA))
    made = variant.edits[0].made
    losses = [point["loss"] for point in made["course"][1:]]
    assert losses[-1] < losses[0]
    # Dense is measured on the tokens that the plan decodes, which are those behind the prompt.
    checkpoint = open_manifest(variant.manifest)
    held_out = (
        HealingText(DATA, [text], [text]).windows(checkpoint.tokenizer, 32, CPU.seed).held_out
    )
    tokens_BT = torch.stack([torch.from_numpy(window) for window in held_out])
    with torch.inference_mode():
        logits_BTV = checkpoint.load_dense(torch.float32, "cpu")(tokens_BT).logits
    decoded = slice(WINDOW // 2 - 1, -1)
    wanted = F.cross_entropy(
        logits_BTV[:, decoded].flatten(0, 1), tokens_BT[:, WINDOW // 2 :].flatten()
    )
    assert made["dense_held_out"] == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("step", [REFIT, LORA], ids=lambda step: step["method"])
def test_an_interrupted_step_goes_on(step, unhealed, text, monkeypatch):
    unbroken = healed(unhealed, text, step, "unbroken")
    monkeypatch.setattr(training_step, "KEEP_S", 0)
    monkeypatch.setattr(training_step, "MEASURED", 3)
    kept = []

    def interrupted(original):
        def write(self, *arguments, **options):
            original(self, *arguments, **options)
            kept.append(arguments)
            raise KeyboardInterrupt

        return write

    room = refit_step._StageFiles if step is REFIT else training_step._Checkpoints
    with monkeypatch.context() as patch:
        patch.setattr(room, "write", interrupted(room.write))
        with pytest.raises(KeyboardInterrupt):
            healed(unhealed, text, step, "broken")
    assert unhealed.with_name(".broken").is_dir()
    resumed = healed(unhealed, text, step, "broken")
    assert not unhealed.with_name(".broken").exists()
    assert len(kept) == 1
    ids_BT = tokens_of(2, 6)
    found, expected = (logits(read_variant(file), ids_BT) for file in (resumed, unbroken))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "step", "section", "line"),
    [
        (SKIP, REFIT, {}, r"healed: refit changes weights for"),
        (DECAY, LORA, {}, r"healed: pairs gives each token its own depth"),
        (PAIRS, REFIT | {"tokens": 10**6}, {}, r"tokens: [^\n]* are needed; lower tokens"),
        (PAIRS, LORA, {"window": 10**5}, r"window: 100000 tokens; lower it"),
    ],
)
def test_what_cannot_be_healed_is_one_line(options, step, section, line, unhealed, manifest, text):
    write_variant("pairs", options, manifest, None, None, unhealed)
    with pytest.raises(ValueError, match=rf"\A{line}[^\n]*\Z"):
        healed(unhealed, text, step, **section)


def test_windows_of_scored_text_are_left_out(unhealed, tmp_path):
    """A row without a part belongs to both."""
    scored, other = " ".join(DOCUMENTS["evaluation"] * 6), " ".join(map(str, range(300)))
    both, evaluated = tmp_path / "both.jsonl", tmp_path / "scored.jsonl"
    rows = [json.dumps({"text": row}) + "\n" for row in (scored, other)]
    both.write_text("".join(rows))
    evaluated.write_text(rows[0])
    tokenizer = open_manifest(read_variant(unhealed).manifest).tokenizer
    section = HealingSection(window=128, held_out=1)
    found, every = (
        HealingText(section, [both], files).windows(tokenizer, 10**6, 0, repeat=True)
        for files in ([evaluated], [])
    )
    assert found.overlapping > 0
    assert every.overlapping == 0
    assert len(found.training) + found.overlapping == len(every.training)
    with pytest.raises(ValueError, match=r"\Atokens: both holds [^\n]* without scored text, "):
        HealingText(section, [both], [both]).windows(tokenizer, 10**6, 0, repeat=True)


def test_half_precision_trains_in_float32(unhealed, text):
    from dataclasses import replace

    data = HealingText(DATA, [text], [text])
    for step in (LORA, FULL):
        out = unhealed.with_name("half.json")
        heal(unhealed, parse_step(step), data, replace(CPU, dtype="bfloat16"), out)
        course = read_variant(out).edits[0].made["course"]
        assert course[-1]["loss"] < course[1]["loss"]
    with pytest.raises(ValueError, match=r"\Adtype: float16 loses gradients; [^\n]*\Z"):
        heal(unhealed, parse_step(LORA), data, replace(CPU, dtype="float16"), out)

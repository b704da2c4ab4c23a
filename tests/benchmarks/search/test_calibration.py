"""Searches on disk: what is no number stops them, and answers belong to the code that gave them."""

import json

import pytest
from measurements import CPU, SEARCH, WINDOW

from benchmarks.models.prepare_model import prepare_model
from benchmarks.runtime.device import Runtime
from benchmarks.search import calibration
from benchmarks.search.calibration import write_search, write_similarity


def test_a_search_over_numbers_that_are_none_stops(overflowing, text, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(overflowing.manifest))
    runtime = Runtime(device="cpu", dtype="float16", threads=1, seed=0)
    manifest = tmp_path / "model.json"
    with pytest.raises(ValueError, match=r"\Athe similarity of two layers is nan: [^\n]*\Z"):
        write_similarity(manifest, [text], 1, WINDOW, runtime, tmp_path / "similarity.json")
    options, out = {"method": "sleb", "depth": 3}, tmp_path / "sleb.json"
    with pytest.raises(ValueError, match=r"\Athe (loss|divergence) of the search is nan: "):
        write_search(options, manifest, [text], SEARCH, runtime, out)
    assert not (tmp_path / "similarity.json").exists()
    assert not out.exists()


def test_answers_of_other_code_are_not_read(monkeypatch, tiny_llama, text, tmp_path):
    prepare_model(str(tiny_llama), None, tmp_path / "model")
    manifest = tmp_path / "model" / "manifest.json"

    out = tmp_path / "sleb.json"

    def answers():
        """How many answers lie beside the result of a search."""
        write_search({"method": "sleb", "depth": 3}, manifest, [text], SEARCH, CPU, out)
        return len(list((tmp_path / "answers").rglob("*.json")))

    first = answers()
    assert answers() == first > 0
    assert json.loads(out.read_text())["calibration"]["scored"] == "second-half"
    monkeypatch.setattr(calibration, "_code", lambda: "changed")
    assert answers() == 2 * first


def test_all_tokens_may_be_scored(tiny_llama, text, tmp_path):
    prepare_model(str(tiny_llama), None, tmp_path / "model")
    manifest, losses = tmp_path / "model" / "manifest.json", {}
    for score in ("second-half", "all", "second-half"):
        out, settings = tmp_path / f"{score}.json", SEARCH.model_copy(update={"score": score})
        options = {"method": "shortened", "criterion": "ppl", "depth": 3}
        write_search(options, manifest, [text], settings, CPU, out)
        losses[score] = json.loads(out.read_text())["scores"]
        assert json.loads(out.read_text())["calibration"]["scored"] == score
    assert losses["all"] != losses["second-half"]

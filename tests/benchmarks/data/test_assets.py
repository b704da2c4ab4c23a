"""Wheels, texts and task files: read whole, split without overlap, refused in one line."""

import hashlib
import json
import zipfile

import pytest
import yaml

from benchmarks.config.assets import ASSETS, wheel_file
from benchmarks.config.generation_tasks import GENERATION_TASKS, WheelDataset
from benchmarks.data import lm_eval_tasks
from benchmarks.data.texts import read_documents, split_documents, write_text
from benchmarks.data.wheels import check_sha256, extract

TEXT = """<doc id="1" title="One">
First line.

Second line.
</doc>
between
<doc id="2" title="Two">
Other.
</doc>
"""
LINES = [f"document {i}" for i in range(40)]


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel with one text of forty documents, three of them twice, known as `tiny`."""
    text = "\n".join([*LINES, "", *LINES[:3]]) + "\n"
    path = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/text.utf8", text)
    entry = {"wheel": "tiny", "file": "tiny/text.utf8", "split": "lines", "note": ""}
    monkeypatch.setitem(ASSETS["texts"], "tiny", entry)
    return path


def test_doc_tags_become_documents():
    assert split_documents(TEXT, "doc-tags") == ["First line.\n\nSecond line.", "Other."]


def test_lines_become_documents():
    assert split_documents(" one \n\n \ntwo\n", "lines") == ["one", "two"]


def test_four_stories_are_a_document():
    text = "\n<|endoftext|>\n".join("ABCDE") + "<|endoftext|>\n"
    assert split_documents(text, "stories") == ["A\n\nB\n\nC\n\nD", "E"]


def test_every_distinct_document_is_on_one_side(wheel, tmp_path):
    write_text("tiny", wheel, tmp_path / "tiny.jsonl")
    sides = [read_documents(tmp_path / "tiny.jsonl", p) for p in ("calibration", "evaluation")]
    texts = [{row["text"] for row in side} for side in sides]
    assert all(texts)
    assert not texts[0] & texts[1]
    assert texts[0] | texts[1] == set(LINES)
    assert sum(map(len, sides)) == len(LINES)


def test_documents_are_ordered_by_their_digest(wheel, tmp_path):
    write_text("tiny", wheel, tmp_path / "tiny.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    digests = [hashlib.sha256(row["text"].encode()).hexdigest() for row in rows]
    assert [row["sha256"] for row in rows] == digests == sorted(digests)


def test_text_is_the_same_each_time(wheel, tmp_path):
    for name in ("one", "two"):
        write_text("tiny", wheel, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_extract_unpacks_one_file(wheel, tmp_path):
    out = extract(wheel, "tiny/text.utf8", tmp_path / "deep" / "text")
    assert out == tmp_path / "deep" / "text"
    assert out.read_text().splitlines()[0] == LINES[0]
    assert list(out.parent.iterdir()) == [out]


def test_extract_refuses_a_missing_member(wheel, tmp_path):
    with pytest.raises(ValueError, match=r"\A[^\n]*holds no tiny/other;[^\n]*\Z"):
        extract(wheel, "tiny/other", tmp_path / "deep" / "text")
    assert not list((tmp_path / "deep").glob("*"))


def test_damaged_member_gives_no_file(wheel, tmp_path):
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace(b"document 7", b"document ?", 1))
    with pytest.raises(zipfile.BadZipFile):
        extract(wheel, "tiny/text.utf8", tmp_path / "text")
    assert not (tmp_path / "text").exists()


def test_check_sha256_refuses_another_file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    check_sha256(path, hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(ValueError, match=r"\A[^\n]*weights: sha256 [^\n]* pinned 0{64};[^\n]*\Z"):
        check_sha256(path, "0" * 64)


@pytest.mark.parametrize("name", ASSETS["wheels"])
def test_wheel_file_is_named_as_the_index_names_it(name):
    file_name = wheel_file(name)
    assert file_name.startswith(name.replace("-", "_") + "-")
    assert file_name.removesuffix("-py3-none-any.whl").endswith(ASSETS["wheels"][name]["version"])
    assert file_name.count("-") == 4


def test_every_asset_names_a_pinned_wheel():
    wheels = ASSETS["wheels"]
    used = [e["wheel"] for k in ("models", "texts", "tasks") for e in ASSETS[k].values()]
    datasets = [task.dataset for task in GENERATION_TASKS.values()]
    used += [dataset.wheel for dataset in datasets if isinstance(dataset, WheelDataset)]
    assert set(used) == set(wheels)
    for pin in wheels.values():
        assert len(bytes.fromhex(pin["sha256"])) == 32
        assert pin["licence"]


@pytest.mark.parametrize("task", ASSETS["tasks"])
def test_official_files_of_every_task_exist(task):
    leaves = lm_eval_tasks.leaf_tasks(task)
    assert len(leaves) == (57 if task == "mmlu" else 1)
    assert all(leaf == task or leaf.startswith("mmlu_") for leaf in leaves)


def test_official_file_that_is_gone_is_named(monkeypatch):
    monkeypatch.setitem(ASSETS["tasks"], "gone", {"official": "gone/gone.yaml"})
    with pytest.raises(ValueError, match=r"\Agone: [^\n]*gone/gone\.yaml[^\n]*\Z"):
        lm_eval_tasks.leaf_tasks("gone")


def test_local_task_keeps_the_prompt_and_replaces_the_rows(tmp_path):
    official = lm_eval_tasks.leaf_tasks("mmlu")["mmlu_anatomy"]
    rows = {"dev": "/rows/dev.arrow", "test": "/rows/test.arrow"}
    local = lm_eval_tasks.local_task("mmlu_anatomy", official, rows, 5)
    assert local["include"] == str(official)
    assert (local["dataset_path"], local["dataset_kwargs"]) == ("arrow", {"data_files": rows})
    assert (local["dataset_name"], local["training_split"]) == (None, None)
    assert (local["test_split"], local["fewshot_split"]) == ("test", "dev")
    assert (local["validation_split"], local["num_fewshot"]) == (None, 5)
    assert not {"doc_to_text", "doc_to_target", "metric_list", "output_type"} & set(local)


def test_tasks_are_written_over_unpacked_rows(tmp_path, monkeypatch):
    entry = ASSETS["tasks"]["sciq"]
    monkeypatch.setattr(lm_eval_tasks, "ASSETS", {"tasks": {"sciq": entry}})
    wheel = tmp_path / "rows.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{entry['data']['validation']}/{lm_eval_tasks.ARROW}", "rows")
    lm_eval_tasks.write_lm_eval_task("sciq", wheel, tmp_path / "tasks")
    written = yaml.safe_load((tmp_path / "tasks" / "sciq.yaml").read_text())
    arrow = tmp_path / "tasks" / "rows" / "sciq" / "validation.arrow"
    assert arrow.read_text() == "rows"
    assert written["dataset_kwargs"]["data_files"] == {"validation": str(arrow)}
    assert (written["validation_split"], written["fewshot_split"]) == ("validation", "validation")
    assert "num_fewshot" not in written


def test_a_task_that_is_unknown_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"\Atask: 'guess' is unknown; use one of [^\n]*sciq"):
        lm_eval_tasks.write_lm_eval_task("guess", tmp_path / "rows.whl", tmp_path / "tasks")

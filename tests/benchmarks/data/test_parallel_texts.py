"""Examples of generation tasks: read from wheels and users' files, split, refused in one line."""

import json
import struct
import zipfile
from pathlib import Path

import pytest

from benchmarks.config.generation_tasks import (
    GENERATION_TASKS,
    GenerationTask,
    WheelDataset,
    check_task_files,
    read_generation_tasks,
)
from benchmarks.data.parallel_texts import (
    READERS,
    fewshot_examples,
    gettext_messages,
    scored_examples,
    write_examples,
)

PLAIN = {f"The page of number {n} is gone": f"La page numéro {n} a disparu" for n in range(40)}
LEFT_OUT = {
    "": "Content-Type: text/plain; charset=UTF-8",
    "Delete %(name)s now": "Supprimer %(name)s",
    "Read <b>this</b>": "Lisez ceci",
    "one page\0many pages": "une page\0des pages",
    "menu\4Open": "Ouvrir",
    "Two\nlines": "Deux lignes",
}


def catalogue(messages, order="<"):
    """A compiled gettext catalogue, as msgfmt writes it."""
    texts = [text.encode() for pair in zip(*messages.items(), strict=True) for text in pair]
    start = 28 + 8 * len(texts)
    tables, body = b"", b""
    for text in texts:
        tables += struct.pack(f"{order}2I", len(text), start + len(body))
        body += text + b"\0"
    count = len(messages)
    head = (0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return struct.pack(f"{order}7I", *head) + tables + body


def task(**changed):
    fields = {
        "version": 1,
        "note": "",
        "dataset": {"wheel": "tiny", "files": "tiny/*/fr/*.mo", "reader": "gettext"},
        "prompt": "Translate.\n\n{source}",
        "max_new_tokens": 8,
        "metrics": ["bleu"],
    }
    return GenerationTask.model_validate(fields | changed)


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/web/locale/fr/django.mo", catalogue(PLAIN | LEFT_OUT))
        archive.writestr("tiny/again/fr/django.mo", catalogue(dict(list(PLAIN.items())[:3])))
        archive.writestr("tiny/web/locale/de/django.mo", catalogue({"A page": "Eine Seite"}))
        archive.writestr("tiny/web/locale/fr/django.po", "not compiled")
    return path


@pytest.fixture
def known(monkeypatch):
    """Makes a task known as `tiny`."""
    return lambda **changed: monkeypatch.setitem(GENERATION_TASKS, "tiny", task(**changed))


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("order", "<>")
def test_catalogue_gives_its_plain_messages_alone(order):
    messages = list(gettext_messages(catalogue(PLAIN | LEFT_OUT, order)))
    assert messages == [(translation, original) for original, translation in PLAIN.items()]


def test_every_message_of_the_matching_files_is_one_example(known, wheel, tmp_path):
    known()
    write_examples("tiny", wheel, tmp_path / "examples")
    written = rows(tmp_path / "examples")
    assert {row["reference"]: row["source"] for row in written} == PLAIN
    assert {row["part"] for row in written} == {"evaluation"}
    assert [row["sha256"] for row in written] == sorted({row["sha256"] for row in written})


def test_examples_are_never_scored_and_the_same_each_time(known, wheel, tmp_path):
    known(shots=3)
    for name in ("one", "two"):
        write_examples("tiny", wheel, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    scored = scored_examples("tiny", tmp_path / "one", None)
    fewshot = fewshot_examples("tiny", tmp_path / "one")
    assert len(fewshot) == 3
    assert len(scored) < len(PLAIN) - 3
    assert not {row["source"] for row in fewshot} & {row["source"] for row in scored}
    assert scored_examples("tiny", tmp_path / "one", 4) == scored[:4]


def test_words_bound_what_is_kept_and_first_words_cut(known, wheel, tmp_path):
    known(words=[7, 40])
    with pytest.raises(ValueError, match=r"\A[^\n]*tiny-1[^\n]* has no examples for tiny;[^\n]*\Z"):
        write_examples("tiny", wheel, tmp_path / "examples")
    known(words=[6, 6], first_words=4)
    write_examples("tiny", wheel, tmp_path / "examples")
    assert {len(row["source"].split()) for row in rows(tmp_path / "examples")} == {4}


def test_more_documents_than_there_are_is_refused(known, wheel, tmp_path):
    known()
    write_examples("tiny", wheel, tmp_path / "examples")
    with pytest.raises(ValueError, match=r"\Ageneration\.tasks\.tiny: has 40 [^\n]*41[^\n]*\Z"):
        scored_examples("tiny", tmp_path / "examples", 41)


def test_users_file_is_read(known, tmp_path):
    known(dataset={"path": "own.jsonl"})
    lines = [json.dumps({"source": "Ja.\n Nein.", "reference": " Yes. No. ", "id": 7}), ""]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    check_task_files(["tiny"], tmp_path)
    write_examples("tiny", tmp_path / "own.jsonl", tmp_path / "examples")
    (row,) = rows(tmp_path / "examples")
    assert (row["source"], row["reference"]) == ("Ja. Nein.", "Yes. No.")


@pytest.mark.parametrize(
    "line", ["{", "[1]", '"text"', '{"source": "x"}', '{"source": "x", "reference": 7}',
             '{"source": " ", "reference": "x"}']
)  # fmt: skip
def test_broken_line_of_a_users_file_is_named(known, tmp_path, line):
    known(dataset={"path": "own.jsonl"})
    good = '{"source": "x", "reference": "y"}'
    (tmp_path / "own.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(ValueError, match=r"\A[^\n]*own\.jsonl: line 2 [^\n]*`reference`[^\n]*\Z"):
        write_examples("tiny", tmp_path / "own.jsonl", tmp_path / "examples")
    assert not (tmp_path / "examples").exists()


def test_users_file_that_is_not_there_is_named(known, tmp_path):
    known(dataset={"path": "own.jsonl"})
    with pytest.raises(ValueError, match=r"\Aconfig: generation\.tasks\.tiny: own\.jsonl [^\n]*\Z"):
        check_task_files(["tiny"], tmp_path)


def test_prompt_takes_any_source():
    assert (
        task(prompt="{source} {x}: {source}").fill_prompt("a{source}b")
        == "a{source}b {x}: a{source}b"
    )


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"prompt": "Translate."}, "prompt"),
        ({"metrics": ["meteor"]}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"shot": 3}, "shot"),
    ],
)
def test_malformed_task_is_one_line(tmp_path, changed, key):
    good = task().model_dump(mode="json")
    (tmp_path / "tasks.yaml").write_text(json.dumps({"mine": good | changed}))
    with pytest.raises(ValueError, match=rf"\A[^\n]*tasks\.yaml: mine\.{key}[^\n]*\Z"):
        read_generation_tasks(tmp_path / "tasks.yaml")


@pytest.mark.parametrize("name", GENERATION_TASKS)
def test_configured_tasks_can_be_read(name):
    dataset = GENERATION_TASKS[name].dataset
    if isinstance(dataset, WheelDataset):
        assert dataset.reader in READERS
    else:
        assert dataset.path.parent == Path("data")

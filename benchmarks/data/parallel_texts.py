"""Sources and references of generation tasks: translations, or papers with summaries. No torch.

They are read from a pinned wheel or from a user's file, and written as JSON lines.
"""

from __future__ import annotations

import io
import json
import re
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
from benchmarks.data.texts import read_documents, text_digest, write_documents
from benchmarks.data.wheels import open_wheel
from cqil.errors import check_known

SourceReference = tuple[str, str]
"""(source, reference)."""
FEWSHOT_ONE_IN = 4
"""One source in so many is a few-shot example, in a task with few-shot examples."""
MARKUP = re.compile(r"[%{}<>&\\_\n]")
"""Characters of messages that a program fills in or parses."""


def write_examples(name: str, origin: Path, out: Path) -> None:
    """Writes the examples of a task, each source once; `origin` is the wheel or the user's file.

    In a task with few-shot examples the digest of a source decides whether it is one of them; those
    are not scored. Raises ValueError with one line for a task that is unknown, for a broken file,
    and where no example is left.
    """
    check_known("task", name, GENERATION_TASKS)
    task = GENERATION_TASKS[name]
    rows: dict[str, dict[str, str]] = {}
    for source, reference in _read(task.dataset, origin):
        words = source.split()
        if task.words is None or task.words[0] <= len(words) <= task.words[1]:
            text = " ".join(words[: task.first_words])
            digest = text_digest(text)
            is_fewshot = task.shots > 0 and int(digest[:8], 16) % FEWSHOT_ONE_IN == 0
            part = "examples" if is_fewshot else "evaluation"
            row = {"sha256": digest, "part": part, "source": text, "reference": reference.strip()}
            rows.setdefault(digest, row)
    if not rows:
        raise ValueError(
            f"{origin}: has no examples for {name}; correct {GENERATION_FILE.name} or the file"
        )
    write_documents(out, rows.values())


def scored_examples(name: str, path: Path, documents: int | None) -> list[dict[str, str]]:
    """The first `documents` examples to score, in the order of their digests; None takes all.

    Raises ValueError where there are fewer.
    """
    rows = read_documents(path, "evaluation", "source")
    if documents is not None and documents > len(rows):
        raise ValueError(
            f"generation.tasks.{name}: has {len(rows)} documents, {documents} are needed; "
            "lower the number, or write null for all"
        )
    return rows[:documents]


def fewshot_examples(name: str, path: Path) -> list[dict[str, str]]:
    """The few-shot examples that stand before every prompt."""
    return read_documents(path, "examples", "source")[: GENERATION_TASKS[name].shots]


def _read(dataset: WheelDataset | FileDataset, origin: Path) -> Iterator[SourceReference]:
    if isinstance(dataset, FileDataset):
        yield from user_examples(origin)
        return
    with open_wheel(origin) as archive:
        for member in sorted(archive.namelist()):
            if fnmatchcase(member, dataset.files):
                yield from READERS[dataset.reader](archive.read(member))


def user_examples(path: Path) -> Iterator[SourceReference]:
    """The examples of a user's file. Raises ValueError with one line that names the line."""
    remedy = "write one JSON object with `source` and `reference`, both text"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            source, reference = row["source"], row["reference"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: line {number} is no example; {remedy}") from None
        if not all(isinstance(text, str) and text.strip() for text in (source, reference)):
            raise ValueError(f"{path}: line {number} has an empty or missing text; {remedy}")
        yield source, reference


def gettext_messages(data: bytes) -> Iterator[SourceReference]:
    """Translation and original of the plain messages of a compiled catalogue (GNU gettext's .mo).

    Messages with a context, plural forms, placeholders or markup are left out. A compiled catalogue
    has no unfinished messages.
    """
    for message in read_mo(io.BytesIO(data)):
        if message.context or message.pluralizable or not message.id:
            continue
        original, translation = str(message.id), str(message.string)
        if not MARKUP.search(original + translation):
            yield translation, original


def aclsum_papers(data: bytes) -> Iterator[SourceReference]:
    """Abstract and conclusion of each paper, and its summary of three sentences."""
    for line in data.decode("utf-8").splitlines():
        paper = json.loads(line)
        sentences, summary = paper["sentences"], paper["summary"]
        source = " ".join([*sentences["abstract"], *sentences["conclusion"]])
        yield source, " ".join(summary[part] for part in ("challenge", "approach", "outcome"))


READERS = {"gettext": gettext_messages, "aclsum": aclsum_papers}
"""Reader of a WheelDataset -> function from the bytes of a member to examples."""

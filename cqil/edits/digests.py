"""Digests of the files behind edits: an edit is what its manifest says, or it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cqil.edits.weight_edit import FileEdit


def files_digest(files: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(_file_digest(file, file.stat().st_size, file.stat().st_mtime_ns))
    return digest.hexdigest()


@cache
def _file_digest(file: Path, size: int, changed_ns: int) -> bytes:
    """That of a file in a state, which is read once."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def check_digest(edit: FileEdit, files: Iterable[Path]) -> None:
    """Raises ValueError where a file is missing, or holds other weights than the edit says."""
    files = list(files)
    if missing := [file for file in files if not file.is_file()]:
        raise ValueError(f"edits: {missing[0]} is missing; run the workflow again")
    if files_digest(files) != edit.sha256:
        raise ValueError(
            f"edits: {edit.path} holds other weights than the manifest says; run the workflow again"
        )

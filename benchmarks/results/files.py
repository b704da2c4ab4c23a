"""Files that are either complete or absent, and digests of files. Imports no torch."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NotJsonError(ValueError):
    """A file is no JSON; `reason` is what the parser says."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: is not JSON ({reason})")
        self.reason = reason


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends, and is deleted if it raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Writes a file as UTF-8; no reader sees half of it."""
    _write_bytes(path, text.encode())


def write_json(path: Path, data: Any, *, compact: bool = False) -> None:
    """Writes JSON atomically: indented by one space, or without white space if `compact`.

    A path that ends with .gz is compressed; equal data give equal bytes. Raises ValueError for NaN
    and infinity, which JSON does not have.
    """
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    text = json.dumps(data, allow_nan=False, **layout)
    encoded = f"{text}\n".encode()
    _write_bytes(path, gzip.compress(encoded, mtime=0) if path.suffix == ".gz" else encoded)


def read_json(path: Path) -> Any:
    """The data in a JSON file; a path that ends with .gz is decompressed.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    encoded = path.read_bytes()
    text = gzip.decompress(encoded) if path.suffix == ".gz" else encoded

    def refuse(constant: str) -> Any:
        raise ValueError(f"{path}: holds {constant}, which is no number; measure it again")

    try:
        return json.loads(text, parse_constant=refuse)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise NotJsonError(path, str(error)) from None


def sha256_file(path: Path) -> str:
    """Hexadecimal digest of one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """One digest over the names and contents of files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        digest.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def _write_bytes(path: Path, content: bytes) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(content)

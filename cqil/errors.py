"""Errors as one line that names what is wrong and the remedy. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable


def check_known(what: str, name: object, known: Iterable[str]) -> None:
    """Raises ValueError, which lists what is known, where `name` is not."""
    names = list(known)
    if name not in names:
        raise ValueError(f"{what}: {name!r} is unknown; use one of {', '.join(names)}")


def one_line(error: BaseException) -> str:
    """The message of a library without its line breaks."""
    return " ".join(str(error).split())

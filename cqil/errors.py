"""Errors of libraries as one line of ours. Imports no torch."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """The message without its line breaks."""
    return " ".join(str(error).split())

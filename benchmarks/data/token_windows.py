"""Token windows: the first tokens of each document that is long enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from benchmarks.data.texts import read_documents


@dataclass(frozen=True)
class TokenWindow:
    """The start of one document."""

    text: str
    """Name of the text collection."""
    document: str
    """SHA-256 of the document."""
    tokens: list[int]

    def halves(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Context and scored continuation, which are equal for every variant."""
        middle = len(self.tokens) // 2
        return tuple(self.tokens[:middle]), tuple(self.tokens[middle:])


def text_windows(
    tokenizer: PreTrainedTokenizerBase,
    texts: list[Path],
    part: str,
    documents: int | None,
    window: int,
) -> list[TokenWindow]:
    """Up to `documents` windows of each text's `part`; None takes every document that fills one.

    Documents come in the order of their digests, a fixed random order. Raises ValueError where a
    text has fewer long documents than `documents`, or none.
    """
    windows: list[TokenWindow] = []
    for path in texts:
        of_text = list(islice(_windows_of(tokenizer, path, part, window), documents))
        if not of_text or (documents is not None and len(of_text) < documents):
            raise ValueError(
                f"documents: {path.stem} has {len(of_text)} {part} documents of {window} tokens, "
                f"{documents or 1} are needed; lower documents or window"
            )
        windows += of_text
    return windows


def _windows_of(
    tokenizer: PreTrainedTokenizerBase, text: Path, part: str, window: int
) -> Iterator[TokenWindow]:
    for row in read_documents(text, part):
        # A token has at least one character, so short documents need no tokenizer.
        if len(row["text"]) >= window:
            tokens = tokenizer(row["text"])["input_ids"][:window]
            if len(tokens) == window:
                yield TokenWindow(text.stem, row["sha256"], tokens)

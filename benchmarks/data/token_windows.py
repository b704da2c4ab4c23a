"""Windows of text: the first tokens of documents that are long enough, one window a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from benchmarks.data.texts import read_documents


@dataclass(frozen=True)
class TokenWindow:
    text: str
    """Name of the text collection."""
    document: str
    """SHA-256 of the document."""
    tokens: list[int]

    def halves(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Context and scored continuation: the same tokens are scored for every variant."""
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

    Documents come in the order of their digests, which is a fixed random order. Raises ValueError
    where a text has fewer long documents than asked for.
    """
    found = []
    for path in texts:
        rows = read_documents(path, part)
        windows = []
        for row in rows:
            if len(windows) == documents:
                break
            # Characters bound tokens from above, so short documents need no tokenizer.
            if len(row["text"]) >= window:
                tokens = tokenizer(row["text"])["input_ids"][:window]
                if len(tokens) == window:
                    windows.append(TokenWindow(path.stem, row["sha256"], tokens))
        if not windows or (documents is not None and len(windows) < documents):
            raise ValueError(
                f"documents: {path.stem} has {len(windows)} {part} documents of {window} tokens, "
                f"{documents or 1} were asked for; lower documents or window"
            )
        found += windows
    return found

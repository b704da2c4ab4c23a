"""Training data of healing: windows of tokens in a random order, from texts or from `datasets`.

Imports no torch. Tokens of a dataset stay in its memory-mapped file until a window is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.texts import read_documents
from benchmarks.data.token_datasets import document_tokens, open_dataset, token_chunks
from benchmarks.results.files import sha256_file

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PART = "calibration"
"""The part of a text that training may read."""
CHECKED_AT_ONCE = 2**30
"""So many tokens are compared with the vocabulary before training, which takes about a second."""


@dataclass(frozen=True)
class TrainingWindows:
    """Windows of `window` tokens; the length is their number, index 0 the first to train on."""

    name: str
    """Of the data, for errors."""
    digest: str
    """Says which data: SHA-256 of each text file, or split and fingerprint of the dataset."""
    chunks: list[np.ndarray]
    """Integer arrays [N]: the tokens, one chunk after the other. A window may cross chunks."""
    starts_W: np.ndarray
    """Where each window starts in all chunks together."""
    window: int
    vocabulary: int

    @classmethod
    def drawn(
        cls,
        name: str,
        digest: str,
        chunks: list[np.ndarray],
        starts_W: np.ndarray,
        window: int,
        vocabulary: int,
        seed: int,
    ) -> TrainingWindows:
        """The windows in the order that the seed gives.

        Raises ValueError for tokens beyond the vocabulary, among the first 2^30.
        """
        order_W = np.random.default_rng(seed).permutation(len(starts_W))
        windows = cls(name, digest, chunks, starts_W[order_W], window, vocabulary)
        for chunk, end in zip(chunks, windows._ends_C, strict=True):
            if end <= CHECKED_AT_ONCE:
                windows._check(chunk)
        return windows

    def __len__(self) -> int:
        return len(self.starts_W)

    def __getitem__(self, index: int) -> np.ndarray:
        """The tokens, int64 [T]. Raises ValueError for one beyond the vocabulary."""
        begin = int(self.starts_W[index])
        end = begin + self.window
        first = int(np.searchsorted(self._ends_C, begin, side="right"))
        last = int(np.searchsorted(self._ends_C, end, side="left"))
        tokens_T = np.concatenate([self._part(c, begin, end) for c in range(first, last + 1)])
        self._check(tokens_T)  # before int64, which turns large uint64 negative
        return tokens_T.astype(np.int64)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def chosen(self, numbers: Sequence[int]) -> TrainingWindows:
        """The windows of these numbers."""
        return replace(self, starts_W=self.starts_W[np.asarray(numbers, np.int64)])

    @cached_property
    def _ends_C(self) -> np.ndarray:
        return np.cumsum([len(chunk) for chunk in self.chunks], dtype=np.int64)

    def _part(self, chunk: int, begin: int, end: int) -> np.ndarray:
        """What a chunk holds of the tokens from `begin` to `end` of all chunks."""
        tokens = self.chunks[chunk]
        before = int(self._ends_C[chunk]) - len(tokens)
        return tokens[max(0, begin - before) : end - before]

    def _check(self, tokens: np.ndarray) -> None:
        if not len(tokens):
            return
        for token in (int(tokens.min()), int(tokens.max())):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"dataset: {self.name} holds the token {token}, and the model's tokenizer has "
                    f"{self.vocabulary}; give data of this tokenizer"
                )


def text_training_windows(
    tokenizer: PreTrainedTokenizerBase, texts: list[Path], window: int, seed: int
) -> TrainingWindows:
    """Windows of the calibration documents of each text, in the order of their digests.

    Documents follow each other with an end token between; no window crosses from text to text.
    """
    chunks, starts, before = [], [], 0
    for path in texts:
        documents = [row["text"] for row in read_documents(path, PART)]
        tokens = [np.asarray(tokens) for tokens in document_tokens(tokenizer, documents)]
        chunk = np.concatenate([np.empty(0, np.int64), *tokens])
        chunks.append(chunk)
        starts.append(before + _starts(len(chunk), window))
        before += len(chunk)
    name = ", ".join(path.stem for path in texts)
    digest = ", ".join(f"sha256:{sha256_file(path)}" for path in texts)
    size = len(tokenizer)
    return TrainingWindows.drawn(name, digest, chunks, np.concatenate(starts), window, size, seed)


def dataset_training_windows(
    tokenizer: PreTrainedTokenizerBase,
    name_or_folder: str | Path,
    split: str | None,
    window: int,
    seed: int,
) -> TrainingWindows:
    """Windows of the tokens of all rows, one row after the other.

    `name_or_folder`: a folder that `save_to_disk` wrote, or what `load_dataset` takes. Raises
    ValueError where there is no such set or split, for columns that are neither tokens nor text,
    and for tokens beyond the vocabulary.
    """
    folder = Path(name_or_folder).expanduser().resolve()
    name = folder.name if folder.is_dir() else str(name_or_folder)
    dataset = open_dataset(str(name_or_folder), split)
    # The fingerprint before tokenising: after it, it would name the tokenizer too.
    digest = f"{name}/{split}@{dataset._fingerprint}" if split else f"{name}@{dataset._fingerprint}"
    chunks = token_chunks(dataset, tokenizer, name)
    starts_W = _starts(sum(len(chunk) for chunk in chunks), window)
    return TrainingWindows.drawn(name, digest, chunks, starts_W, window, len(tokenizer), seed)


def _starts(tokens: int, window: int) -> np.ndarray:
    """Starts [W] of the whole windows in so many tokens."""
    return np.arange(0, tokens - window + 1, window)

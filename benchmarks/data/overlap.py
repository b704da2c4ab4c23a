"""Which training windows hold no evaluation text. No torch.

Both sides are compared by runs of RUN tokens. Shorter runs also occur in texts that have nothing to
do with each other: licences, menus, tables and stock phrases repeat 10 to 30 tokens. 64 tokens are
two or three sentences, which unrelated texts do not share, and a power of two hashes fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RUN = 64
BASE = 0x9E3779B97F4A7C15
"""Factor of the polynomial hash; it is odd, so no token is shifted out of the 64 bits."""
FILTER_BITS = 24
"""The highest bits of a hash choose one of 2^24 flags, which settle nearly every run."""


def apart(
    windows: Iterable[np.ndarray], evaluation: Sequence[Sequence[int]], run: int = RUN
) -> Iterator[int]:
    """Numbers of the windows [T] of training that hold no run of an evaluation document.

    A document is cut into runs from its start, a rest is left out; they are looked for at every
    place of every window. So every common text of 2 * run - 1 tokens is found, also every whole
    document of `run` tokens and more. `run` is a power of two.
    """
    runs = EvaluationRuns.of(evaluation, run)
    return (number for number, window_T in enumerate(windows) if not runs.shared_with(window_T))


@dataclass(frozen=True)
class EvaluationRuns:
    """The runs of evaluation documents, ordered by their hashes."""

    tokens_NR: np.ndarray
    hashes_N: np.ndarray
    filter_F: np.ndarray
    """Whether a hash with these highest bits exists."""

    @classmethod
    def of(cls, documents: Sequence[Sequence[int]], run: int) -> EvaluationRuns:
        """The runs of `run` tokens of each document from its start, each run once."""
        cut = [
            np.asarray(tokens[: len(tokens) // run * run], np.int64).reshape(-1, run)
            for tokens in documents
        ]
        tokens_NR = np.concatenate([np.empty((0, run), np.int64), *cut])
        hashes_N, places_N = np.unique(run_hashes(tokens_NR, run)[:, 0], return_index=True)
        filter_F = np.zeros(2**FILTER_BITS, bool)
        filter_F[_highest(hashes_N)] = True
        return cls(tokens_NR[places_N], hashes_N, filter_F)

    def shared_with(self, window_T: np.ndarray) -> bool:
        """Whether a window holds any of the runs."""
        run = self.tokens_NR.shape[1]
        hashes_P = run_hashes(window_T, run)
        places_M = np.flatnonzero(self.filter_F[_highest(hashes_P)])
        if not len(places_M):
            return False
        runs_M = np.searchsorted(self.hashes_N, hashes_P[places_M]) % len(self.hashes_N)
        # The tokens decide: filter and hash only choose what is compared.
        window_PR = np.lib.stride_tricks.sliding_window_view(window_T, run)
        return bool((window_PR[places_M] == self.tokens_NR[runs_M]).all(axis=1).any())


def run_hashes(tokens_T: np.ndarray, run: int) -> np.ndarray:
    """Hash of the run at every place, uint64 [..., P] with P = max(0, T - run + 1).

    Polynomial in BASE modulo 2^64. `run` is a power of two: runs of double length come from two
    neighbours, so a run of 64 takes six passes.
    """
    hashes, factor, length = tokens_T.astype(np.uint64), BASE, 1
    while length < run:
        hashes = hashes[..., :-length] * np.uint64(factor) + hashes[..., length:]
        factor, length = factor * factor % 2**64, 2 * length
    return hashes


def _highest(hashes: np.ndarray) -> np.ndarray:
    """The highest bits, which are mixed best: a low bit depends on lower bits of tokens alone."""
    return hashes >> np.uint64(64 - FILTER_BITS)

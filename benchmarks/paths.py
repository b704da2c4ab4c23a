"""Paths: the ways in which variants are timed; each is a folder of results. Imports no torch.

The engine on one device, the engine on N ranks, and for the dense model `generate` of Transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ENGINE = "engine"
TRANSFORMERS = "transformers"
REFERENCE = "dense"
"""The variant that Transformers can run as it comes."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""What ranks talk over, by device."""
_RANKS = "ranks-"


def timed(variants: Iterable[str], ranks: Sequence[int]) -> list[tuple[str, str]]:
    """(path, variant) of every result of a run."""
    paths, names = [ENGINE, *(f"{_RANKS}{count}" for count in ranks)], list(variants)
    pairs = [(path, name) for path in paths for name in names]
    return pairs + [(TRANSFORMERS, name) for name in names if name == REFERENCE]


def ranks_of(path: str) -> int:
    return int(path.removeprefix(_RANKS)) if path.startswith(_RANKS) else 1

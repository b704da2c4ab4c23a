"""How fast a rank reads and multiplies, and what a message costs. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

ANY = 0
"""Stands for any number of ranks, where each rank has separate memory."""


class LinkCost(NamedTuple):
    """A message of S bytes takes alpha + beta x S seconds."""

    alpha_s: float
    beta_s: float
    """Seconds per byte."""

    def seconds(self, size: float) -> float:
        """Seconds of a message of `size` bytes."""
        return self.alpha_s + self.beta_s * size


@dataclass(frozen=True, kw_only=True)
class RankRate:
    """How fast one rank reads and multiplies."""

    bandwidth: float
    """Peak bytes of memory per second."""
    efficiency: float
    """eta: the share of `bandwidth` that a decode step reaches, launches excluded."""
    stage_s: float = 0.0
    """Seconds of a stage besides its bytes: launches, synchronisation, small operations."""
    flops_per_s: float = float("inf")

    @property
    def bytes_per_s(self) -> float:
        """Bytes per second that a decode step reads."""
        return self.bandwidth * self.efficiency

"""What an answer is, and the words that all answers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.results.statistics import Estimate
from reports.data.number_format import points, times, with_interval


@dataclass(frozen=True)
class Answer:
    """A question with its answer in a few words, and the numbers that it rests on."""

    question: str
    verdict: str
    numbers: str = ""


class Choice(NamedTuple):
    """What to choose in one situation."""

    situation: str
    choose: str
    why: str
    basis: str
    """What it was measured on, or what it is projected for."""


MAX_PHRASES = 3
"""Phrases that one sentence of an answer lists."""


def listed(phrases: Sequence[str], separator: str = "; ") -> str:
    """All phrases, or of many the first and the last, and that there are more."""
    if len(phrases) <= MAX_PHRASES:
        return separator.join(phrases)
    ends = (phrases[0], phrases[-1])
    return f"{separator.join(ends)} ({len(phrases) - len(ends)} more below)"


def factor(estimate: Estimate) -> str:
    """`×1.50 [1.40, 1.60]`"""
    return with_interval(estimate, times)


def difference(estimate: Estimate) -> str:
    """`−2.5 [−4.0, −1.0] points`"""
    return f"{with_interval(estimate, points)} points"


def count_above(speedups: Mapping[str, Estimate], neutral: float = 1) -> str:
    """`2 of 3`: how many lie above `neutral` with their whole interval."""
    above = sum(estimate.verdict(neutral) == "higher" for estimate in speedups.values())
    return f"{above} of {len(speedups)}"


def largest(estimates: Mapping[str, Estimate]) -> str:
    """The name of the largest estimate."""
    return max(estimates, key=lambda name: estimates[name].value)

"""The verdicts on a claim, and how a direction is judged from comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from benchmarks.results.statistics import Estimate
from reports.data import number_format

MAX_LISTED = 6
"""Comparisons that one sentence lists."""


class Verdict(StrEnum):
    """In the order in which the report counts them; MEANINGS explains each."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    HOLDS = "arithmetic holds"
    FAILS = "arithmetic fails"
    CONFIRMED = "same direction here"
    CONTRADICTED = "opposite direction here"
    UNDECIDED = "direction not decided here"
    NOT_TESTED = "not tested in this run"
    OUT_OF_REACH = "out of reach here"
    NOT_SEEN = "not seen"


MEANINGS = {
    Verdict.REPRODUCED: "measured on the model of the claim; the published number lies in our "
    "interval.",
    Verdict.NOT_REPRODUCED: "measured on the model of the claim; the published number lies outside "
    "of our interval.",
    Verdict.HOLDS: "the plans and rules of this suite, or other published numbers, give the "
    "published digits.",
    Verdict.FAILS: "the plans and rules of this suite, or other published numbers, give other "
    "digits.",
    Verdict.CONFIRMED: "on another model or machine, the whole interval of every comparison lies "
    "on the claimed side, or every search agrees where there is no interval; the size of the "
    "effect is not compared.",
    Verdict.CONTRADICTED: "on another model or machine, the whole interval of every comparison "
    "lies on the opposite side.",
    Verdict.UNDECIDED: "an interval includes “no difference”, or comparisons disagree.",
    Verdict.NOT_TESTED: "there is a check, and this run lacks what the check needs.",
    Verdict.OUT_OF_REACH: "nothing that this suite can run tests the claim.",
    Verdict.NOT_SEEN: "the number was published, but was not seen when the claims were collected.",
}


@dataclass(frozen=True)
class Finding:
    """A verdict with its reason."""

    verdict: Verdict
    sentence: str
    """Our number, its interval and its machine; or why there is no number."""


def not_tested(needs: str) -> Finding:
    """The finding where the results lack what a check needs."""
    return Finding(Verdict.NOT_TESTED, f"Needs {needs}.")


Side = Literal["confirmed", "contradicted", "undecided"]


@dataclass(frozen=True)
class Comparison:
    """One paired estimate, and the side of `neutral` that the claim expects it on."""

    what: str
    estimate: Estimate
    claimed: str
    """`lower` or `higher`."""
    neutral: float = 1
    number: Callable[[float], str] = number_format.times
    """How the sentence writes the estimate."""

    @property
    def side(self) -> Side:
        """Whether the whole interval is on the claimed side, on the opposite side, or neither."""
        verdict = self.estimate.verdict(self.neutral)
        if verdict == "not distinguishable":
            return "undecided"
        return "confirmed" if verdict == self.claimed else "contradicted"

    def __str__(self) -> str:
        return f"{self.what} {number_format.with_interval(self.estimate, self.number)}"


def judge_direction(
    about: str, comparisons: Sequence[Comparison], where: str, needs: str
) -> Finding:
    """Confirmed or contradicted where all comparisons agree, undecided otherwise.

    The sentence lists comparisons that contradict the claim first. Without comparisons the claim is
    not tested, and `needs` says what is missing.
    """
    if not comparisons:
        return not_tested(needs)
    sides = [comparison.side for comparison in comparisons]
    verdict = Verdict.UNDECIDED
    if set(sides) == {"confirmed"}:
        verdict = Verdict.CONFIRMED
    elif set(sides) == {"contradicted"}:
        verdict = Verdict.CONTRADICTED
    order = ("contradicted", "undecided", "confirmed")
    ordered = sorted(comparisons, key=lambda comparison: order.index(comparison.side))
    count = f" ({sides.count('confirmed')} of {len(sides)} as claimed)" if len(sides) > 1 else ""
    listed = "; ".join(map(str, ordered[:MAX_LISTED]))
    more = "; …" if len(ordered) > MAX_LISTED else ""
    return Finding(verdict, f"{about}{count}: {listed}{more}. {where}.")

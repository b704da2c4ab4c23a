"""Checks of a claim against other published numbers; they need no measurement.

A reference to a number is text, `claim-id/value name`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cqil.plan import LayerPlan
from reports.claims.arithmetic import agreement
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import Claim
from reports.claims.verdicts import Finding, Verdict
from reports.data.number_format import significant


def converted(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], to: str) -> Finding:
    """Cuts of time as speed-ups where `to` is `speed-up`, else speed-ups as cuts of time."""
    numbers = {name: _number(evidence, reference) for name, reference in of.items()}
    if to == "speed-up":
        ours = {name: 1 / (1 - cut / 100) for name, cut in numbers.items()}
    else:
        ours = {name: 100 * (1 - 1 / speedup) for name, speedup in numbers.items()}
    return agreement(claim, ours, "Converted")


def ratios(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], over: str) -> Finding:
    """Each value is a published number over the number `over`."""
    pairs = {name: (reference, over) for name, reference in of.items()}
    return ratio_pairs(evidence, claim, pairs)


def ratio_pairs(
    evidence: ClaimEvidence, claim: Claim, pairs: Mapping[str, Sequence[str]]
) -> Finding:
    """Each value is the first published number of a pair over the second."""
    ours = {name: _ratio(evidence, *references) for name, references in pairs.items()}
    return agreement(claim, ours, "Divided")


def cut_pairs(evidence: ClaimEvidence, claim: Claim, pairs: Mapping[str, Sequence[str]]) -> Finding:
    """Each value is the time that the second rate of a pair saves over the first, in percent."""
    ours = {name: 100 * (1 - _ratio(evidence, *references)) for name, references in pairs.items()}
    return agreement(claim, ours, "Divided")


def gains(evidence: ClaimEvidence, claim: Claim, of: Sequence[str], over: Sequence[str]) -> Finding:
    """The smallest and the largest gain of the numbers `of` over the numbers `over`, in percent."""
    percents = [
        100 * (_ratio(evidence, above, below) - 1) for above, below in zip(of, over, strict=True)
    ]
    return agreement(claim, {"smallest": min(percents), "largest": max(percents)}, "Divided")


def product(evidence: ClaimEvidence, claim: Claim, **factors: Sequence[str]) -> Finding:
    """Each value is the product of published numbers."""
    ours = {
        name: math.prod(_number(evidence, reference) for reference in references)
        for name, references in factors.items()
    }
    return agreement(claim, ours, "Multiplied")


def share_of_ideal(
    evidence: ClaimEvidence, claim: Claim, cut: str, slug: str, layers: int
) -> Finding:
    """A published cut over the cut that the depth of the plan alone gives, in percent."""
    ideal = 1 - 1 / LayerPlan.from_slug(slug, layers).ideal_speedup
    ours = {"share of ideal": _number(evidence, cut) / ideal}
    return agreement(claim, ours, "Divided by the cut of this suite's plan")


def mean_change(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], to: str) -> Finding:
    """Each value is the mean difference of one claim's values to those of the claim `to`."""
    ours = {}
    for name, other in of.items():
        shared = _shared_values(evidence, other, to)
        ours[name] = sum(a - b for a, b in shared.values()) / len(shared)
    return agreement(claim, ours, "Averaged")


def largest_gap(
    evidence: ClaimEvidence, claim: Claim, of: str, to: str, documents: Mapping[str, int]
) -> Finding:
    """The values of two claims differ by at most so many standard errors of an unpaired difference.

    The values are percentages of right answers; `documents` holds the size of each task.
    """
    gaps = {}
    for task, shares in _shared_values(evidence, of, to).items():
        variance = sum(share * (100 - share) / documents[task] for share in shares)
        gaps[task] = abs(shares[0] - shares[1]) / math.sqrt(variance)
    task = max(gaps, key=gaps.__getitem__)
    limit = claim.quantities()["largest gap"]
    verdict = Verdict.HOLDS if gaps[task] <= limit.number else Verdict.FAILS
    gap = f"{significant(gaps[task])} {limit.unit}"
    return Finding(verdict, f"Largest gap: {gap}, {task} of {documents[task]} documents.")


def _number(evidence: ClaimEvidence, reference: str) -> float:
    return float(evidence.published(reference).number)


def _ratio(evidence: ClaimEvidence, above: str, below: str) -> float:
    # Divided as decimals, so that a ratio of published digits is exact.
    return float(evidence.published(above).number / evidence.published(below).number)


def _shared_values(evidence: ClaimEvidence, of: str, to: str) -> dict[str, tuple[float, float]]:
    """Name -> value of one claim and value of the other, for the names that both have."""
    values, others = evidence.claims[of].quantities(), evidence.claims[to].quantities()
    return {
        name: (float(value.number), float(others[name].number))
        for name, value in values.items()
        if name in others
    }

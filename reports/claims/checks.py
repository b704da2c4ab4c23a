"""Every check by its name, and how a claim comes to its verdict."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from reports.claims import arithmetic, measured, quality, timing
from reports.claims.registry import Claim
from reports.claims.verdicts import ClaimEvidence, Finding, Verdict, sentence

Check = Callable[..., Finding]
"""Called with the evidence, the claim, and what the claim gives."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        arithmetic.plan,
        arithmetic.removal,
        arithmetic.collectives,
        arithmetic.times_counted,
        arithmetic.kept_counts,
        arithmetic.kept_layers,
        arithmetic.rules_differ,
        arithmetic.converted,
        arithmetic.ratios,
        arithmetic.ratio_pairs,
        arithmetic.cut_pairs,
        arithmetic.gains,
        arithmetic.product,
        arithmetic.share_of_ideal,
        arithmetic.mean_change,
        arithmetic.largest_gap,
        quality.grouping_beats_removal,
        quality.bypass,
        quality.better_rule,
        quality.laco_rules,
        quality.collapses,
        quality.keeps_accuracy,
        timing.realised_below_requested,
        timing.beats_tensor_parallel,
        timing.slow_base_inflates,
        timing.committed_order,
        quality.similarity_grows,
        quality.middle_insensitive,
        measured.accuracy,
        measured.latency_cut,
    )
}


def judge(claim: Claim, evidence: ClaimEvidence) -> Finding:
    """Raises ValueError where the claim names a check that there is not, or feeds it wrongly."""
    if claim.not_seen:
        return Finding(Verdict.NOT_SEEN, "–")
    if claim.check is None:
        assert claim.out_of_reach is not None
        return Finding(Verdict.OUT_OF_REACH, sentence(claim.out_of_reach))
    check = check_of(claim)
    return check(evidence, claim, **claim.given)


def check_of(claim: Claim) -> Check:
    """The check that the claim names, which takes what the claim gives."""
    check = CHECKS.get(claim.check or "")
    if check is None:
        raise ValueError(
            f"{claim.id}: check {claim.check!r} is unknown; use one of {', '.join(sorted(CHECKS))}"
        )
    try:
        inspect.signature(check).bind(None, claim, **claim.given)
    except TypeError as error:
        raise ValueError(f"{claim.id}: given does not fit {claim.check}: {error}") from None
    return check

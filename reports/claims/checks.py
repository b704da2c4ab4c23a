"""Every check by its name, and the finding on a claim."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from cqil.errors import check_known
from reports.claims import arithmetic, measured, published, quality, timing
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import Claim
from reports.claims.verdicts import Finding, Verdict

Check = Callable[..., Finding]
"""Called with the evidence, the claim, and the arguments that the claim gives."""
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
        published.converted,
        published.ratios,
        published.ratio_pairs,
        published.cut_pairs,
        published.gains,
        published.product,
        published.share_of_ideal,
        published.mean_change,
        published.largest_gap,
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
    """The finding on a claim.

    Raises ValueError where the claim names an unknown check or gives it wrong arguments.
    """
    if claim.not_seen:
        return Finding(Verdict.NOT_SEEN, "–")
    if claim.out_of_reach is not None:
        reason = claim.out_of_reach
        return Finding(Verdict.OUT_OF_REACH, f"{reason[:1].upper()}{reason[1:]}.")
    return check_of(claim)(evidence, claim, **claim.given)


def check_of(claim: Claim) -> Check:
    """The check that the claim names.

    Raises ValueError where it is unknown, or does not take the arguments that the claim gives.
    """
    check_known(f"{claim.id}: check", claim.check, sorted(CHECKS))
    check = CHECKS[str(claim.check)]
    try:
        inspect.signature(check).bind(None, claim, **claim.given)
    except TypeError as error:
        raise ValueError(f"{claim.id}: given does not fit {claim.check}: {error}") from None
    return check

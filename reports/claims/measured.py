"""Checks on the claim's own model: does the published number lie in our interval?"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.claims.registry import Claim, Quantity
from reports.claims.verdicts import ClaimEvidence, Finding, Verdict, not_tested
from reports.data.number_format import percent, with_interval
from reports.data.results import ENGINE
from reports.estimates.latency import round_seconds
from reports.estimates.quality import bootstrap_of


def accuracy(
    evidence: ClaimEvidence, claim: Claim, model: str, slug: str, tasks: Mapping[str, str]
) -> Finding:
    """Accuracy of a plan, length-normalised where the task has it, task by task."""
    if (found := _variant(evidence, model, slug)) is None:
        return _other(evidence, model, slug)
    table = evidence.estimates.accuracies
    own = table[table["variant"] == found].set_index("task")["headline"]
    if missing := [task for task in tasks.values() if task not in own.index]:
        return not_tested(f"{', '.join(missing)} of {found}")
    ours = {name: own[task] for name, task in tasks.items()}
    machine = evidence.machine(found, kind="multiple_choice")
    return _within(claim, ours, f"{found}, percent", machine)


def latency_cut(
    evidence: ClaimEvidence,
    claim: Claim,
    model: str,
    slug: str,
    ranks: int,
    phase: str,
    hardware: str,
) -> Finding:
    """What a plan on ranks saves of dense on one device, on that hardware."""
    if (found := _variant(evidence, model, slug)) is None:
        return _other(evidence, model, slug)
    backend = f"ranks-{ranks}"
    rounds = round_seconds(evidence.results, phase)
    if (found, backend) not in rounds or (REFERENCE, ENGINE) not in rounds:
        return not_tested(f"{phase} latencies of dense on one device and {found} on {ranks} ranks")
    machine = evidence.machine(found, kind="latency", backend=backend)
    if hardware not in machine:
        return not_tested(f"{hardware}; these were taken on {machine}")
    ratio = bootstrap_of(evidence.results).ratio_of_medians(
        rounds[found, backend], rounds[REFERENCE, ENGINE]
    )
    cut = ratio.map(lambda share: 1 - share)
    return _within(claim, {"latency cut": cut}, f"{found} against dense, percent", machine)


def _variant(evidence: ClaimEvidence, model: str, slug: str) -> str | None:
    """Name of the variant that runs the plan, if the results are of that model."""
    if evidence.results.model.name != model:
        return None
    variants = evidence.results.variants.values()
    return next((v.name for v in variants if v.plan.slug == slug), None)


def _other(evidence: ClaimEvidence, model: str, slug: str) -> Finding:
    return not_tested(f"{slug} of {model}; this run is of {evidence.results.model.name}")


def _within(claim: Claim, ours: Mapping[str, Estimate], what: str, machine: str) -> Finding:
    """Each published percentage against the interval of our share."""
    published = claim.quantities()
    inside = all(_holds(ours[name], quantity) for name, quantity in published.items())
    shown = ", ".join(f"{name} {with_interval(ours[name], percent)}" for name in published)
    verdict = Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED
    return Finding(verdict, f"{what}: {shown}. {machine}.")


def _holds(ours: Estimate, published: Quantity) -> bool:
    """Rounding of the published digits included."""
    value = float(published.number)
    return 100 * ours.low - published.slack <= value <= 100 * ours.high + published.slack

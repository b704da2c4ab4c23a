"""Checks on the claim's own model: does the published number lie in our interval?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.config.assets import ASSETS
from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import Claim, Quantity
from reports.claims.verdicts import Finding, Verdict, not_tested
from reports.data.healing import ForeignAdapter
from reports.data.number_format import percent, with_interval
from reports.data.results import ENGINE
from reports.estimates.quality import bootstrap_of


def accuracy(
    evidence: ClaimEvidence,
    claim: Claim,
    model: str,
    slug: str,
    tasks: Mapping[str, str],
    splits: Mapping[str, str],
    documents: Mapping[str, int],
    harness: str,
    adapter: str | None = None,
) -> Finding:
    """Accuracy of a plan by task, length-normalised where the task has that.

    `tasks` maps names of the claim's values to tasks; `splits` and `documents` say which rows of
    each the publication scored, and how many; `harness` is its version of lm-eval. Other rows are
    another experiment, and so is another minor version, which moves averages by points. `adapter`
    names the released adapter that heals the plan.
    """
    variant = _variant_of_plan(evidence, model, slug, adapter)
    if variant is None:
        return _other_model(evidence, model, f"{slug} with {adapter}" if adapter else slug)
    table = evidence.estimates.accuracies
    rows = table[table["variant"] == variant].set_index("task")
    if missing := [task for task in tasks.values() if task not in rows.index]:
        return not_tested(f"{', '.join(missing)} of {variant}")
    for name, task in tasks.items():
        scored, split = int(rows.loc[task, "documents"]), _scored_split(task)
        if (scored, split) != (documents[name], splits[name]):
            return not_tested(
                f"{documents[name]} {splits[name]} rows of {name}; this run scored {scored} "
                f"{split} rows"
            )
    our_harness = _lm_eval_version(evidence, variant)
    if our_harness.split(".")[:2] != harness.split(".")[:2]:
        return not_tested(f"lm-eval {harness}; this run scored with {our_harness}")
    ours = {name: rows.loc[task, "headline"] for name, task in tasks.items()}
    machine = evidence.machine(variant, kind="multiple_choice")
    what = f"{variant}, percent, lm-eval {our_harness} for the published {harness}"
    return _interval_finding(claim, ours, what, machine)


def latency_cut(
    evidence: ClaimEvidence,
    claim: Claim,
    model: str,
    slug: str,
    ranks: int,
    phase: str,
    hardware: str,
    batch: int,
    prompt_tokens: Sequence[int],
) -> Finding:
    """The time that a plan on ranks saves over dense on one device, on that hardware.

    `prompt_tokens`: the shortest and the longest prompt that is still the published workload.
    """
    variant = _variant_of_plan(evidence, model, slug)
    if variant is None:
        return _other_model(evidence, model, slug)
    backend, rounds = f"ranks-{ranks}", evidence.estimates.rounds
    if (variant, backend) not in rounds or (REFERENCE, ENGINE) not in rounds:
        needs = f"{phase} latencies of dense on one device and {variant} on {ranks} ranks"
        return not_tested(needs)
    machine = evidence.machine(variant, kind="latency", backend=backend)
    if hardware not in machine:
        return not_tested(f"{hardware}; these were taken on {machine}")
    low, high = prompt_tokens
    workload = next(
        record.workload
        for record in evidence.results.latency_records
        if record.workload_name == evidence.results.workloads[0]
    )
    if workload["batch"] != batch or not low <= workload["prompt_tokens"] <= high:
        return not_tested(
            f"prompts of {low} to {high} tokens, batch {batch}; this run timed "
            f"{workload['prompt_tokens']} tokens, batch {workload['batch']}"
        )
    ratio = bootstrap_of(evidence.results).ratio_of_medians(
        rounds[variant, backend][phase], rounds[REFERENCE, ENGINE][phase]
    )
    ours = {"latency cut": ratio.map(lambda share: 1 - share)}
    return _interval_finding(claim, ours, f"{variant} against dense, percent", machine)


def _lm_eval_version(evidence: ClaimEvidence, variant: str) -> str:
    """Version of lm-eval that scored a variant."""
    scored = (
        record
        for record in evidence.results.measured
        if record.kind == "multiple_choice" and record.variant == variant
    )
    return next(scored).provenance.packages.get("lm_eval", "of no known version")


def _scored_split(task: str) -> str:
    """Which rows of a task the suite's texts are: test where the wheel carries them."""
    splits = ASSETS["tasks"][task]["data"]
    return "test" if "test" in splits else next(iter(splits))


def _variant_of_plan(
    evidence: ClaimEvidence, model: str, slug: str, adapter: str | None = None
) -> str | None:
    """Name of the variant that runs the plan, healed by nothing but the released adapter.

    None where the results are of another model, or hold no such variant.
    """
    if model not in (evidence.results.model.name, evidence.results.config.get("model_identity")):
        return None
    variants = evidence.results.variants.values()
    adapters = [] if adapter is None else [ForeignAdapter(method="adapter", source=adapter)]
    return next((v.name for v in variants if v.plan.slug == slug and v.healing == adapters), None)


def _other_model(evidence: ClaimEvidence, model: str, slug: str) -> Finding:
    return not_tested(f"{slug} of {model}; this run is of {evidence.results.model.name}")


def _interval_finding(
    claim: Claim, ours: Mapping[str, Estimate], what: str, machine: str
) -> Finding:
    """Reproduced where every published percentage lies in the interval of our share."""
    published = claim.quantities()
    inside = all(_is_in_interval(quantity, ours[name]) for name, quantity in published.items())
    numbers = ", ".join(f"{name} {with_interval(ours[name], percent)}" for name in published)
    verdict = Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED
    return Finding(verdict, f"{what}: {numbers}. {machine}.")


def _is_in_interval(published: Quantity, ours: Estimate) -> bool:
    """Whether a percentage lies in the interval of a share; rounding may move it that far."""
    value, slack = float(published.number), published.slack
    return 100 * ours.low - slack <= value <= 100 * ours.high + slack

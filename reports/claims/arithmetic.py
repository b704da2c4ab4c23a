"""Checks of a claim against the plans and rules of this suite; they need no measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from baselines.skipping.unified import code_rule, layers_kept, paper_rule
from cqil.engine.parallel.communication_ledger import MessageSizes, predict_communication
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, kept_layers_plan
from cqil.plan.stage_dataflow import stage_dataflow
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import Claim, Quantity, with_unit
from reports.claims.verdicts import Finding, Verdict
from reports.data.number_format import significant

RULES = {"code": code_rule, "paper": paper_rule}


def agreement(claim: Claim, ours: Mapping[str, float], how: str) -> Finding:
    """Compares every value of the claim with ours of that name, to the digits published.

    `how` says where our values come from; it begins the sentence.
    """
    published = claim.quantities()
    agree = all(quantity.agrees(ours[name]) for name, quantity in published.items())
    texts = [_number_text(name, ours[name], quantity) for name, quantity in published.items()]
    verdict = Verdict.HOLDS if agree else Verdict.FAILS
    return Finding(verdict, f"{how}, {'; '.join(texts)}.")


def _number_text(name: str, value: float, published: Quantity) -> str:
    """Four digits, mostly one more than was published, so that readers see the rounding."""
    number = f"{value:g}" if float(value).is_integer() else significant(value, 4)
    return f"{name}: {with_unit(number, published.unit)}"


def plan(evidence: ClaimEvidence, claim: Claim, slug: str, layers: int) -> Finding:
    """Depth of a configuration, and the speed-up that the depth alone gives."""
    return _depth_agreement(claim, LayerPlan.from_slug(slug, layers))


def removal(evidence: ClaimEvidence, claim: Claim, layers: int, kept: int) -> Finding:
    """Depth of a model that keeps so many layers, and the speed-up that the depth alone gives."""
    return _depth_agreement(claim, kept_layers_plan(layers, list(range(kept))))


def _depth_agreement(claim: Claim, plan: LayerPlan) -> Finding:
    ours = {
        "depth": plan.depth,
        "ideal cut": 100 * (1 - 1 / plan.ideal_speedup),
        "ideal speed-up": plan.ideal_speedup,
    }
    return agreement(claim, ours, "By this suite's plan")


def collectives(
    evidence: ClaimEvidence,
    claim: Claim,
    slug: str,
    layers: int,
    group_parallel_size: int = 1,
    tensor_parallel_size: int = 1,
) -> Finding:
    """Messages of rank 0 for one decoded token, as the ledger predicts them.

    The gather of a sharded LM head is named in the sentence and not counted.
    """
    sizes = MessageSizes(hidden=1, vocabulary=tensor_parallel_size, itemsize=1)
    layout = Layout(
        group_parallel_size=group_parallel_size, tensor_parallel_size=tensor_parallel_size
    )
    _, decode = predict_communication(
        LayerPlan.from_slug(slug, layers), layout, 0, sizes, batch=1, prompt=1
    )
    counts = {
        kind: sum(count for entry, count in decode.entries.items() if entry.kind == kind)
        for kind in ("broadcast", "all_reduce", "all_gather")
    }
    ours = {"broadcasts": counts["broadcast"], "all-reduces": counts["all_reduce"]}
    how = "By this suite's ledger, for one decoded token"
    if counts["all_gather"]:
        how += ", without the gather of its sharded head"
    return agreement(claim, ours, how)


def times_counted(evidence: ClaimEvidence, claim: Claim, slug: str, layers: int) -> Finding:
    """How often one attention output enters the sum of its group, at most."""
    plan = LayerPlan.from_slug(slug, layers)
    weights = [
        weight
        for stage in plan.groups
        for weight in stage_dataflow(stage, plan).attention_weight_in_sum
    ]
    return agreement(claim, {"times counted": max(weights)}, "By this suite's table of a stage")


def kept_counts(evidence: ClaimEvidence, claim: Claim, layers: int) -> Finding:
    """How many layers are kept at each speed-up; the claim's values have the names `2×`, `3×`."""
    ours = {name: layers_kept(layers, float(name.rstrip("×"))) for name in claim.values}
    return agreement(claim, ours, "By this suite's rule")


def kept_layers(evidence: ClaimEvidence, claim: Claim, layers: int, speedup: float) -> Finding:
    """Which layers the rules of the code and of the paper keep."""
    ours = {name: tuple(RULES[name](layers, speedup)) for name in claim.values}
    verdict = Verdict.HOLDS if ours == claim.values else Verdict.FAILS
    texts = [f"{name}: {', '.join(map(str, kept))}" for name, kept in ours.items()]
    return Finding(verdict, f"By this suite's rules, {'; '.join(texts)}.")


def rules_differ(
    evidence: ClaimEvidence, claim: Claim, layers: int, speedups: Sequence[float]
) -> Finding:
    """The smallest of the speed-ups at which the two rules keep different layers."""
    differing = [s for s in speedups if code_rule(layers, s) != paper_rule(layers, s)]
    ours = {"first ratio": min(differing, default=math.nan)}
    return agreement(claim, ours, "By this suite's rules")

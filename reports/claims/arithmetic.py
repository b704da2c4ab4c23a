"""Checks that need no measurement: this suite's plans, and published numbers side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from baselines.skipping.unified import code_rule, layers_kept, paper_rule
from cqil.engine.parallel.communication_ledger import MessageSizes, predict_communication
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, kept_layers_plan
from cqil.plan.stage_dataflow import stage_dataflow
from reports.claims.registry import Claim, Quantity, with_unit
from reports.claims.verdicts import ClaimEvidence, Finding, Verdict
from reports.data.number_format import significant

RULES = {"code": code_rule, "paper": paper_rule}


def agreement(claim: Claim, ours: Mapping[str, float], how: str) -> Finding:
    """Every value of the claim against ours of the same name, to the digits published."""
    wanted = claim.quantities()
    same = all(quantity.agrees(ours[name]) for name, quantity in wanted.items())
    shown = "; ".join(_spelt(name, ours[name], quantity) for name, quantity in wanted.items())
    verdict = Verdict.HOLDS if same else Verdict.FAILS
    return Finding(verdict, f"{how}, {shown}.")


def _spelt(name: str, value: float, published: Quantity) -> str:
    """With four digits, mostly one more than was published, so that rounding can be seen."""
    number = f"{value:g}" if float(value).is_integer() else significant(value, 4)
    return f"{name}: {with_unit(number, published.unit)}"


def plan(evidence: ClaimEvidence, claim: Claim, slug: str, layers: int) -> Finding:
    """Depth, and what it alone would give, of a configuration."""
    return _of_plan(claim, LayerPlan.from_slug(slug, layers))


def removal(evidence: ClaimEvidence, claim: Claim, layers: int, kept: int) -> Finding:
    """The same of a model that keeps so many layers."""
    return _of_plan(claim, kept_layers_plan(layers, list(range(kept))))


def _of_plan(claim: Claim, found: LayerPlan) -> Finding:
    ours = {
        "depth": found.depth,
        "ideal cut": 100 * (1 - 1 / found.ideal_speedup),
        "ideal speed-up": found.ideal_speedup,
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
    """Messages of rank 0 for one decoded token, the head's apart, as the ledger predicts them."""
    sizes = MessageSizes(hidden=1, vocabulary=tensor_parallel_size, itemsize=1)
    layout = Layout(
        group_parallel_size=group_parallel_size, tensor_parallel_size=tensor_parallel_size
    )
    _, decode = predict_communication(
        LayerPlan.from_slug(slug, layers), layout, 0, sizes, batch=1, prompt=1
    )
    count = {
        kind: sum(n for entry, n in decode.entries.items() if entry.kind == kind)
        for kind in ("broadcast", "all_reduce", "all_gather")
    }
    ours = {"broadcasts": count["broadcast"], "all-reduces": count["all_reduce"]}
    how = "By this suite's ledger, for one decoded token"
    if count["all_gather"]:
        how += f" and beside {count['all_gather']} gather of its sharded head"
    return agreement(claim, ours, how)


def times_counted(evidence: ClaimEvidence, claim: Claim, slug: str, layers: int) -> Finding:
    """How often the most counted attention of a group enters its sum."""
    found = LayerPlan.from_slug(slug, layers)
    counts = [
        count
        for stage in found.groups
        for count in stage_dataflow(stage, found).attention_weight_in_sum
    ]
    return agreement(claim, {"times counted": max(counts)}, "By this suite's table of a stage")


def kept_counts(evidence: ClaimEvidence, claim: Claim, layers: int) -> Finding:
    """Layers kept at each ratio that the claim's values are named after."""
    ours = {name: layers_kept(layers, float(name.rstrip("×"))) for name in claim.values}
    return agreement(claim, ours, "By this suite's rule")


def kept_layers(evidence: ClaimEvidence, claim: Claim, layers: int, speedup: float) -> Finding:
    """The sets that the rules of code and paper keep."""
    ours = {name: tuple(RULES[name](layers, speedup)) for name in claim.values}
    verdict = Verdict.HOLDS if ours == claim.values else Verdict.FAILS
    shown = "; ".join(f"{name}: {', '.join(map(str, kept))}" for name, kept in ours.items())
    return Finding(verdict, f"By this suite's rules, {shown}.")


def rules_differ(
    evidence: ClaimEvidence, claim: Claim, layers: int, speedups: Sequence[float]
) -> Finding:
    """The smallest of the ratios at which both rules keep different layers."""
    differ = [s for s in speedups if code_rule(layers, s) != paper_rule(layers, s)]
    return agreement(claim, {"first ratio": min(differ, default=math.nan)}, "By this suite's rules")


def converted(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], to: str) -> Finding:
    """Cuts of time as speed-ups, or the other way round."""
    found = {name: float(evidence.published(reference).number) for name, reference in of.items()}
    if to == "speed-up":
        return agreement(claim, {n: 1 / (1 - cut / 100) for n, cut in found.items()}, "Converted")
    return agreement(claim, {n: 100 * (1 - 1 / ratio) for n, ratio in found.items()}, "Converted")


def ratios(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], over: str) -> Finding:
    """Published numbers over one of them."""
    return ratio_pairs(evidence, claim, {name: (above, over) for name, above in of.items()})


def ratio_pairs(
    evidence: ClaimEvidence, claim: Claim, pairs: Mapping[str, Sequence[str]]
) -> Finding:
    """Each value is the first published number over the second."""
    return agreement(claim, _ratios(evidence, pairs), "Divided")


def cut_pairs(evidence: ClaimEvidence, claim: Claim, pairs: Mapping[str, Sequence[str]]) -> Finding:
    """Each value is what the second rate saves of the time at the first, in percent."""
    cuts = {name: 100 * (1 - ratio) for name, ratio in _ratios(evidence, pairs).items()}
    return agreement(claim, cuts, "Divided")


def _ratios(evidence: ClaimEvidence, pairs: Mapping[str, Sequence[str]]) -> dict[str, float]:
    return {
        name: _divided(evidence.published(above), evidence.published(below))
        for name, (above, below) in pairs.items()
    }


def _divided(above: Quantity, below: Quantity) -> float:
    return float(above.number / below.number)


def gains(evidence: ClaimEvidence, claim: Claim, of: Sequence[str], over: Sequence[str]) -> Finding:
    """The least and the most that the published numbers exceed the others by, in percent."""
    pairs = zip(map(evidence.published, of), map(evidence.published, over), strict=True)
    found = [100 * (_divided(above, below) - 1) for above, below in pairs]
    return agreement(claim, {"least": min(found), "most": max(found)}, "Divided")


def product(evidence: ClaimEvidence, claim: Claim, **factors: Sequence[str]) -> Finding:
    """Each value is the product of published numbers."""
    ours = {
        name: math.prod(float(evidence.published(reference).number) for reference in references)
        for name, references in factors.items()
    }
    return agreement(claim, ours, "Multiplied")


def share_of_ideal(
    evidence: ClaimEvidence, claim: Claim, cut: str, slug: str, layers: int
) -> Finding:
    """A published cut over what depth alone would cut, in percent."""
    ideal = 1 - 1 / LayerPlan.from_slug(slug, layers).ideal_speedup
    share = float(evidence.published(cut).number) / ideal
    return agreement(claim, {"share of ideal": share}, "Divided by the cut of this suite's plan")


def mean_change(evidence: ClaimEvidence, claim: Claim, of: Mapping[str, str], to: str) -> Finding:
    """The mean difference of a claim's values to those of another."""
    ours = {
        name: _mean(a - b for _, a, b in _side_by_side(evidence, other, to))
        for name, other in of.items()
    }
    return agreement(claim, ours, "Averaged")


def largest_gap(
    evidence: ClaimEvidence, claim: Claim, of: str, to: str, documents: Mapping[str, int]
) -> Finding:
    """At most so many standard errors of an unpaired difference lie between two sets of shares."""
    gaps = {}
    for task, a, b in _side_by_side(evidence, of, to):
        variance = sum(share * (100 - share) / documents[task] for share in (a, b))
        gaps[task] = abs(a - b) / math.sqrt(variance)
    task = max(gaps, key=gaps.__getitem__)
    limit = claim.quantities()["largest gap"]
    verdict = Verdict.HOLDS if gaps[task] <= limit.number else Verdict.FAILS
    said = f"Largest gap: {significant(gaps[task])} {limit.unit}, {task}"
    return Finding(verdict, f"{said} of {documents[task]} documents.")


def _side_by_side(evidence: ClaimEvidence, of: str, to: str) -> Iterable[tuple[str, float, float]]:
    """(name, value of one claim, value of the other) for the values that both have."""
    mine, theirs = evidence.claims[of].quantities(), evidence.claims[to].quantities()
    return [
        (name, float(mine[name].number), float(theirs[name].number))
        for name in mine
        if name in theirs
    ]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)

"""Checks of a direction in quality, on whatever model the results are of; intervals are paired."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.claims.registry import Claim
from reports.claims.verdicts import (
    ClaimEvidence,
    Comparison,
    Finding,
    Verdict,
    direction,
    not_tested,
)
from reports.data import number_format
from reports.data.labels import bypass_mode
from reports.data.results import ReportedVariant
from reports.estimates.comparisons import removal_at_same_depth, scored_variants
from reports.estimates.quality import MEAN, perplexity_ratio


def grouping_beats_removal(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """Perplexity of every removal over that of the method's plain groups of the same depth."""
    table = removal_at_same_depth(evidence.results)
    variants = evidence.results.variants
    rows = zip(table["removal"], table["grouped"], strict=True)
    pairs = [(variants[r], variants[g]) for r, g in rows if variants[g].method == method]
    about = "Perplexity of removal over groups of the same depth"
    needs = f"groups by {method} without bypass and removal at one depth"
    return _by_perplexity(evidence, about, pairs, "higher", needs)


def bypass(evidence: ClaimEvidence, claim: Claim, mode: str, against: str, expect: str) -> Finding:
    """Perplexity of groups with one bypass over the same groups with another, or none."""
    scored = scored_variants(evidence.results)
    pairs = [
        (mine, other)
        for mine in scored
        for other in scored
        if bypass_mode(mine) == mode and bypass_mode(other) == against
        if mine.plan.max_group_size > 1 and mine.plan.groups == other.plan.groups
    ]
    about = f"Perplexity with bypass {mode} over bypass {against}, same groups"
    needs = f"variants over the same groups with bypass {mode} and {against}"
    return _by_perplexity(evidence, about, pairs, expect, needs)


def better_rule(evidence: ClaimEvidence, claim: Claim, better: str, worse: str) -> Finding:
    """Perplexity of one removal rule over another at each depth that has both."""
    scored = scored_variants(evidence.results)
    pairs = [
        (other, mine)
        for mine in scored
        for other in scored
        if mine.method == better and other.method == worse and mine.plan.depth == other.plan.depth
    ]
    about = f"Perplexity of {worse} over {better} at one depth"
    return _by_perplexity(evidence, about, pairs, "higher", f"{better} and {worse} at one depth")


def laco_rules(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Whether LaCo's two rules give models of different perplexity at one depth."""
    laco = [variant for variant in scored_variants(evidence.results) if variant.method == "laco"]
    ruled = [(variant, variant.options.get("rule", "paper")) for variant in laco]
    ratios = {
        f"{mine.name} / {other.name}": perplexity_ratio(evidence.results, mine.name, other.name)
        for mine, rule in ruled
        for other, other_rule in ruled
        if (rule, other_rule) == ("notebook", "paper") and mine.plan.depth == other.plan.depth
    }
    # Either side of 1 shows that the rules differ, so the interval's own side is the claimed one.
    found = [Comparison(what, ratio, ratio.verdict(1)) for what, ratio in ratios.items()]
    where = evidence.where(evidence.machine(*(v.name for v in laco), kind="perplexity"))
    about = "Perplexity of the notebook's rule over the paper's"
    return direction(about, found, where, "laco by both rules at one depth")


def collapses(
    evidence: ClaimEvidence, claim: Claim, method: str, speedup: float, factor: float
) -> Finding:
    """Whether perplexity is at least `factor` times that of dense, interval and all."""
    found = [
        Comparison(
            f"{variant.name} / dense",
            perplexity_ratio(evidence.results, variant.name, REFERENCE),
            "higher",
            neutral=factor,
        )
        for variant in scored_variants(evidence.results)
        if variant.method == method and variant.options.get("speedup") == speedup
    ]
    names = [comparison.what.split(" / ")[0] for comparison in found]
    where = evidence.where(evidence.machine(*names, kind="perplexity"))
    needs = f"{method} at speed-up {speedup:g}"
    return direction(f"Perplexity over dense, against ×{factor:g}", found, where, needs)


def keeps_accuracy(
    evidence: ClaimEvidence, claim: Claim, method: str, speedup: float, share: float
) -> Finding:
    """Whether mean accuracy stays above a share of dense's, up to a speed-up by depth."""
    table = evidence.estimates.accuracies
    mean = table[table["task"] == MEAN].set_index("variant")
    found = []
    for variant in evidence.results.variants.values():
        if variant.method != method or variant.plan.ideal_speedup > speedup:
            continue
        if variant.name in mean.index and REFERENCE in mean.index:
            kept = _kept(mean.loc[variant.name, "difference"], mean.loc[REFERENCE, "headline"])
            what = f"{variant.name} keeps"
            found.append(Comparison(what, kept, "higher", share, number_format.percent))
    names = [comparison.what.split(" ")[0] for comparison in found]
    where = evidence.where(evidence.machine(*names, kind="multiple_choice"))
    about = f"Mean accuracy kept, percent of dense, against {100 * share:g}"
    return direction(about, found, where, f"{method} at up to ×{speedup:g} by depth, with tasks")


def _kept(difference: Estimate, dense: Estimate) -> Estimate:
    """Share of dense's accuracy that is left, from a difference in percentage points."""
    return difference.map(lambda points: 1 + points / (100 * dense.value))


def similarity_grows(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Rank correlation of a layer's index with how alike its input and the next one's are."""
    if evidence.results.similarity is None:
        return not_tested("the similarity of layer inputs")
    neighbours = np.diagonal(evidence.results.similarity.cosine, offset=1)
    if np.ptp(neighbours) == 0:
        return Finding(Verdict.UNDECIDED, "All neighbouring inputs are equally alike.")
    found = stats.spearmanr(np.arange(len(neighbours)), neighbours)
    if found.pvalue >= 1 - evidence.results.config["report"]["confidence"]:
        verdict = Verdict.UNDECIDED
    else:
        verdict = Verdict.CONFIRMED if found.statistic > 0 else Verdict.CONTRADICTED
    return Finding(
        verdict,
        f"Spearman's rank correlation over {len(neighbours)} layers {found.statistic:+.2f} "
        f"(p = {found.pvalue:.2g}), cosines from {neighbours.min():.3f} to {neighbours.max():.3f}; "
        f"{evidence.results.model.name}, calibration text.".replace("-0.", "−0."),
    )


def middle_insensitive(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Whether a searched run of groups loses least away from both ends of what was tried."""
    grids = [s for s in evidence.results.searches if len(s["grid"]) > 2]
    if not grids:
        return not_tested("a search over at least three starts")
    sides, said = [], []
    for search in grids:
        tried = sorted(search["grid"], key=lambda entry: entry["start"])
        best = min(tried, key=lambda entry: entry["nll"])
        ends = sum(best is end for end in (tried[0], tried[-1]))
        sides.append(ends == 0)
        said.append(
            f"groups of {search['group_size']} to depth {search['depth']} lose least from layer "
            f"{best['start']} of {tried[0]['start']} to {tried[-1]['start']}"
        )
    verdict = Verdict.UNDECIDED
    if all(sides) or not any(sides):
        verdict = Verdict.CONFIRMED if all(sides) else Verdict.CONTRADICTED
    model = evidence.results.model.name
    return Finding(verdict, f"{model}, calibration text, no interval: {'; '.join(said)}.")


def _by_perplexity(
    evidence: ClaimEvidence,
    about: str,
    pairs: Sequence[tuple[ReportedVariant, ReportedVariant]],
    expect: str,
    needs: str,
) -> Finding:
    """Ratios of the first's perplexity to the second's."""
    found = [
        Comparison(
            f"{mine.name} / {other.name}",
            perplexity_ratio(evidence.results, mine.name, other.name),
            expect,
        )
        for mine, other in pairs
    ]
    names = {variant.name for pair in pairs for variant in pair}
    where = evidence.where(evidence.machine(*names, kind="perplexity"))
    return direction(about, found, where, needs)

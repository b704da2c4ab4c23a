"""Checks of a direction in quality, on the model of the results; intervals are paired.

Healed variants are left out: the claims are of plans with the model's own weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import Claim
from reports.claims.verdicts import Comparison, Finding, Verdict, judge_direction, not_tested
from reports.data import number_format
from reports.data.labels import bypass_mode
from reports.data.results import ReportedVariant, StartLoss, StartSearch
from reports.estimates.comparisons import scored_unhealed
from reports.estimates.quality import MEAN, accuracy_difference, perplexity_ratio

VariantPairs = Sequence[tuple[ReportedVariant, ReportedVariant]]
"""Variants whose perplexities are divided, the first by the second."""


def grouping_beats_removal(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """Every removal against the method's plain groups of the same depth, in both measures."""
    table, results = evidence.estimates.removal, evidence.results
    comparisons: list[Comparison] = []
    for removal, grouped in zip(table["removal"], table["grouped"], strict=True):
        if results.variants[grouped].method != method:
            continue
        what = f"{removal} / {grouped}"
        ratio = perplexity_ratio(results, removal, grouped)
        comparisons.append(Comparison(what, ratio, "higher"))
        more = accuracy_difference(results, grouped, removal)
        if not math.isnan(more.value):
            what = f"{grouped} − {removal} in accuracy"
            comparisons.append(Comparison(what, more, "higher", 0, number_format.points))
    about = (
        "Perplexity of removal over groups of the same depth, and accuracy of groups less removal"
    )
    where = _where(evidence, {*table["removal"], *table["grouped"]})
    needs = f"groups by {method} without bypass and removal at one depth"
    return judge_direction(about, comparisons, where, needs)


def bypass(evidence: ClaimEvidence, claim: Claim, mode: str, against: str, expect: str) -> Finding:
    """Perplexity of groups with one bypass over the same groups with another bypass, or none."""
    scored = scored_unhealed(evidence.results)
    pairs = [
        (variant, other)
        for variant in scored
        for other in scored
        if bypass_mode(variant) == mode and bypass_mode(other) == against
        if variant.plan.max_group_size > 1 and variant.plan.groups == other.plan.groups
    ]
    about = f"Perplexity with bypass {mode} over bypass {against}, same groups"
    needs = f"variants over the same groups with bypass {mode} and {against}"
    return _judge_perplexities(evidence, about, pairs, expect, needs)


def better_rule(evidence: ClaimEvidence, claim: Claim, better: str, worse: str) -> Finding:
    """Perplexity of one removal rule over another at each depth that has both."""
    scored = scored_unhealed(evidence.results)
    pairs = [
        (worse_variant, better_variant)
        for better_variant in scored
        for worse_variant in scored
        if better_variant.method == better and worse_variant.method == worse
        if better_variant.plan.depth == worse_variant.plan.depth
    ]
    about = f"Perplexity of {worse} over {better} at one depth"
    needs = f"{better} and {worse} at one depth"
    return _judge_perplexities(evidence, about, pairs, "higher", needs)


def laco_rules(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Whether LaCo's two rules give models of different perplexity at one depth."""
    laco = [variant for variant in scored_unhealed(evidence.results) if variant.method == "laco"]
    rules = [(variant, variant.options.get("rule", "paper")) for variant in laco]
    ratios = {
        f"{notebook.name} / {paper.name}": perplexity_ratio(
            evidence.results, notebook.name, paper.name
        )
        for notebook, rule in rules
        for paper, other_rule in rules
        if (rule, other_rule) == ("notebook", "paper")
        if notebook.plan.depth == paper.plan.depth
    }
    # The rules differ on either side of 1, so the side of the interval is the claimed one.
    comparisons = [Comparison(what, ratio, ratio.verdict(1)) for what, ratio in ratios.items()]
    where = _where(evidence, (variant.name for variant in laco))
    about = "Perplexity of the notebook's rule over the paper's"
    return judge_direction(about, comparisons, where, "laco by both rules at one depth")


def collapses(
    evidence: ClaimEvidence, claim: Claim, method: str, speedup: float, factor: float
) -> Finding:
    """Whether the whole interval of perplexity is at least `factor` times that of dense."""
    variants = [
        variant
        for variant in scored_unhealed(evidence.results)
        if variant.method == method and variant.options.get("speedup") == speedup
    ]
    comparisons = []
    for variant in variants:
        ratio = perplexity_ratio(evidence.results, variant.name, REFERENCE)
        comparisons.append(Comparison(f"{variant.name} / dense", ratio, "higher", factor))
    where = _where(evidence, (variant.name for variant in variants))
    about = f"Perplexity over dense, against ×{factor:g}"
    needs = f"{method} at speed-up {speedup:g}"
    return judge_direction(about, comparisons, where, needs)


def keeps_accuracy(
    evidence: ClaimEvidence, claim: Claim, method: str, speedup: float, share: float
) -> Finding:
    """Whether mean accuracy stays above a share of dense's, for speed-ups by depth to `speedup`."""
    table = evidence.estimates.accuracies
    mean = table[table["task"] == MEAN].set_index("variant")
    names = [
        variant.name
        for variant in evidence.results.unhealed
        if variant.method == method and variant.plan.ideal_speedup <= speedup
        if variant.name in mean.index and REFERENCE in mean.index
    ]
    comparisons = []
    for name in names:
        kept = _kept_share(mean.loc[name, "difference"], mean.loc[REFERENCE, "headline"])
        comparisons.append(
            Comparison(f"{name} keeps", kept, "higher", share, number_format.percent)
        )
    where = evidence.where(evidence.machine(*names, kind="multiple_choice"))
    about = f"Mean accuracy kept, percent of dense, against {100 * share:g}"
    needs = f"{method} at up to ×{speedup:g} by depth, with tasks"
    return judge_direction(about, comparisons, where, needs)


def _kept_share(difference: Estimate, dense: Estimate) -> Estimate:
    """Share of dense's accuracy that is left, from a difference in percentage points."""
    return difference.map(lambda points: 1 + points / (100 * dense.value))


def similarity_grows(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Rank correlation of a layer's index with the cosine of its input and the next layer's."""
    similarity = evidence.results.similarity
    if similarity is None:
        return not_tested("the similarity of layer inputs")
    cosines = np.diagonal(similarity.cosine, offset=1)
    if np.ptp(cosines) == 0:
        return Finding(Verdict.UNDECIDED, "All neighbouring inputs are equally similar.")
    correlation = stats.spearmanr(np.arange(len(cosines)), cosines)
    verdict = Verdict.UNDECIDED
    if correlation.pvalue < 1 - evidence.results.config["report"]["confidence"]:
        grows = correlation.statistic > 0
        verdict = Verdict.CONFIRMED if grows else Verdict.CONTRADICTED
    return Finding(
        verdict,
        f"Spearman's rank correlation over {len(cosines)} layers {correlation.statistic:+.2f} "
        f"(p = {correlation.pvalue:.2g}), cosines from {cosines.min():.3f} to {cosines.max():.3f}; "
        f"{evidence.results.model.name}, calibration text.".replace("-0.", "−0."),
    )


def middle_insensitive(evidence: ClaimEvidence, claim: Claim) -> Finding:
    """Whether every search for a start lost least neither at its first nor at its last start."""
    searches = [search for search in evidence.results.searches if len(search.grid) > 2]
    if not searches:
        return not_tested("a search over at least three starts")
    in_middle, texts = [], []
    for search in searches:
        starts = sorted(search.grid, key=lambda entry: entry.start)
        best = min(starts, key=lambda entry: entry.nll)
        in_middle.append(best is not starts[0] and best is not starts[-1])
        texts.append(_search_text(search, starts, best))
    verdict = Verdict.UNDECIDED
    if all(in_middle) or not any(in_middle):
        verdict = Verdict.CONFIRMED if all(in_middle) else Verdict.CONTRADICTED
    model = evidence.results.model.name
    return Finding(verdict, f"{model}, calibration text, no interval: {'; '.join(texts)}.")


def _search_text(search: StartSearch, starts: list[StartLoss], best: StartLoss) -> str:
    return (
        f"groups of {search.group_size} to depth {search.depth} lose least from layer "
        f"{best.start} of {starts[0].start} to {starts[-1].start}"
    )


def _judge_perplexities(
    evidence: ClaimEvidence, about: str, pairs: VariantPairs, claimed: str, needs: str
) -> Finding:
    """The direction of the ratios of perplexities."""
    comparisons = []
    for variant, other in pairs:
        ratio = perplexity_ratio(evidence.results, variant.name, other.name)
        comparisons.append(Comparison(f"{variant.name} / {other.name}", ratio, claimed))
    where = _where(evidence, (variant.name for pair in pairs for variant in pair))
    return judge_direction(about, comparisons, where, needs)


def _where(evidence: ClaimEvidence, variants: Iterable[str]) -> str:
    """The model and the machine that the perplexities of the variants were measured on."""
    return evidence.where(evidence.machine(*variants, kind="perplexity"))

"""Every claim with its verdict: one table as a file, on the page one for each kind of evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from reports.claims.checks import judge
from reports.claims.evidence import ClaimEvidence, committed_benches
from reports.claims.registry import (
    Claim,
    ClaimConditions,
    Publication,
    Quantity,
    load_publications,
)
from reports.claims.timing import committed_order
from reports.claims.verdicts import MEANINGS, Finding, Verdict
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Block, Facts, Fold, PageSection
from reports.released_code.comparisons import load_comparisons
from reports.tables.released_code import details, released_code
from reports.tables.table import Table

HEADS = {"published": "published value", "ours": "our number"}
"""Columns whose heads on the page are not their names in the data."""
READING = (
    "Numbers and directions that others published, and what run “{run}” ({model}, {layers} layers) "
    "says about each. {summary} Where the model or the machine is another one, only the direction "
    "is judged."
)
RELEASED = (
    "Each rule was run beside the code that its authors, or others, released: measured "
    "{released.measured}, with commit {released.commit} of this suite. It is not part of this run."
)
Row = dict[str, str]


class Group(NamedTuple):
    """Claims that one kind of evidence judges: a table of the page."""

    name: str
    title: str


BY_RUN = Group("claims-run", "Published, judged by this run")
OWN = Group("claims-own", "Expectations of this suite, which nobody published")
BY_HISTORY = Group("claims-history", "Published, judged by committed benches of other runs")
ARITHMETIC = Group("claims-arithmetic", "Published digits that follow from plans or other numbers")
UNTESTED = Group("claims-untested", "Not judged here: not tested, out of reach or not seen")
GROUPS = (BY_RUN, OWN, BY_HISTORY, ARITHMETIC, UNTESTED)
NOT_JUDGED = (Verdict.NOT_TESTED, Verdict.OUT_OF_REACH, Verdict.NOT_SEEN)


@dataclass(frozen=True)
class JudgedClaims:
    """All claims with their verdicts."""

    summary: str
    table: Table
    """Every claim, for the file."""
    groups: list[Fold]
    """A table for each group; what this run judges is open."""


def section(results: Results, estimates: Estimates) -> PageSection:
    """The claims by what judges them, and the rules beside released code.

    Raises ValueError with one line where one of their files is wrong.
    """
    judged = judged_claims(estimates)
    released = load_comparisons()
    differs = Facts([(c.rule, details(c)) for c in released.comparisons])
    meanings = Facts([(verdict.value, meaning) for verdict, meaning in MEANINGS.items()])
    reading = READING.format(
        run=results.config["name"],
        model=results.model.name,
        layers=results.model.num_layers,
        summary=judged.summary,
    )
    blocks: list[Block] = [
        reading,
        Fold("What the verdicts mean", [meanings]),
        *judged.groups,
        Fold(
            "The rules beside released code",
            [
                RELEASED.format(released=released),
                released_code(released),
                "What was compared, what differs, and why:",
                differs,
            ],
        ),
        judged.table,
    ]
    return PageSection("claims", "Claims", blocks)


def judged_claims(estimates: Estimates) -> JudgedClaims:
    """Judges every claim. Raises ValueError with one line where a file of claims is wrong."""
    publications = load_publications()
    evidence = ClaimEvidence(estimates, _claims_by_id(publications), committed_benches())
    rows: list[Row] = []
    rows_by_group: dict[Group, list[Row]] = {group: [] for group in GROUPS}
    verdicts_by_group: dict[Group, list[Verdict]] = {group: [] for group in GROUPS}
    for publication in publications:
        for part in publication.parts:
            for claim in part.claims:
                finding, row = judge(claim, evidence), {"work": publication.title}
                row |= {"part": part.title} | _row(claim, finding)
                group = _group(claim, finding.verdict)
                rows.append(row)
                rows_by_group[group].append(row)
                verdicts_by_group[group].append(finding.verdict)
    groups = [_fold(group, of_group) for group, of_group in rows_by_group.items() if of_group]
    data = pd.DataFrame(rows)
    table = Table("claims", "Claims", data, data.rename(columns=HEADS), shown_in="file")
    return JudgedClaims(group_counts(verdicts_by_group), table, groups)


def _claims_by_id(publications: list[Publication]) -> dict[str, Claim]:
    return {claim.id: claim for publication in publications for claim in publication.claims}


def _group(claim: Claim, verdict: Verdict) -> Group:
    if verdict in NOT_JUDGED:
        return UNTESTED
    if claim.confidence == "own":
        return OWN
    if verdict in (Verdict.HOLDS, Verdict.FAILS):
        return ARITHMETIC
    return BY_HISTORY if claim.check == committed_order.__name__ else BY_RUN


def _fold(group: Group, rows: list[Row]) -> Fold:
    """What this run judges is open."""
    title = f"{group.title} ({len(rows)})"
    data = pd.DataFrame(rows)
    shown = data.drop(columns="id").rename(columns=HEADS)
    shown = shown[["claim", "verdict", *shown.columns.drop(["claim", "verdict"])]]
    table = Table(group.name, title, data, shown, shown_in="page")
    return Fold(title, [table], opened=group == BY_RUN)


def group_counts(verdicts_by_group: Mapping[Group, Sequence[Verdict]]) -> str:
    """`This run judges 2 of 3 published claims: reproduced 2. Arithmetic alone: holds for 1.`"""
    by_run, own = verdicts_by_group[BY_RUN], verdicts_by_group[OWN]
    total = sum(map(len, verdicts_by_group.values())) - len(own)
    arithmetic = verdicts_by_group[ARITHMETIC]
    sentences = [f"Of {total} published claims, this run judges {len(by_run)}{_listed(by_run)}."]
    if arithmetic:
        holds = sum(verdict == Verdict.HOLDS for verdict in arithmetic)
        sentences.append(
            f"Of {len(arithmetic)} more the digits were recomputed, which reproduces no "
            f"measurement: {holds} agree."
        )
    rest = total - len(by_run) - len(arithmetic) - len(verdicts_by_group[BY_HISTORY])
    sentences.append(f"{rest} are not judged here.")
    return " ".join(sentences)


def _listed(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(verdicts)
    listed = ", ".join(f"{verdict} {counts[verdict]}" for verdict in Verdict if counts[verdict])
    return f": {listed}" if listed else ""


def _row(claim: Claim, finding: Finding) -> Row:
    shown_by = f" Shown by {claim.shown_by}." if claim.shown_by else ""
    return {
        "id": claim.id,
        "claim": claim.statement,
        "published": published_text(claim),
        "conditions": conditions_text(claim.conditions),
        "source": claim.source,
        "confidence": claim.confidence,
        "verdict": finding.verdict.value,
        "ours": finding.sentence + shown_by,
    }


def published_text(claim: Claim) -> str:
    """`depth: 23 layers; ideal cut: 28.1 %`"""
    texts = (
        f"{name}: {value if isinstance(value, Quantity) else ', '.join(map(str, value))}"
        for name, value in claim.values.items()
    )
    return "; ".join(texts) or "–"


def conditions_text(conditions: ClaimConditions) -> str:
    """`LLaMA-1 7B; 2 ranks; batch 1`"""
    known = conditions.model_dump(exclude_none=True)
    if "batch" in known:
        known["batch"] = f"batch {known['batch']}"
    return "; ".join(map(str, known.values())) or "–"

"""Every claim with its verdict: one table for machines, and one a part of a file for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from reports.claims.checks import judge
from reports.claims.registry import Claim, ClaimConditions, Quantity, load_publications
from reports.claims.verdicts import ClaimEvidence, Finding, Verdict, committed_benches
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Facts, Fold, PageSection
from reports.tables.table import Table

MEANINGS = {
    Verdict.REPRODUCED: "measured on the claim’s own model, and the published number lies in our "
    "interval.",
    Verdict.NOT_REPRODUCED: "the same, and it does not.",
    Verdict.HOLDS: "this suite’s plans and rules, or other published numbers, give the published "
    "digits.",
    Verdict.FAILS: "they do not.",
    Verdict.CONFIRMED: "on another model or machine every comparison falls on the claimed side, "
    "interval and all; the size of the effect is not compared.",
    Verdict.CONTRADICTED: "the same, and every comparison falls on the other side.",
    Verdict.UNDECIDED: "intervals include no difference, or comparisons disagree.",
    Verdict.NOT_TESTED: "there is a check, and this run lacks what it needs.",
    Verdict.OUT_OF_REACH: "nothing that the suite can run would answer.",
    Verdict.NOT_SEEN: "the number exists, but was not seen when the claims were collected.",
}
MEASURED = (
    Verdict.REPRODUCED,
    Verdict.NOT_REPRODUCED,
    Verdict.CONFIRMED,
    Verdict.CONTRADICTED,
    Verdict.UNDECIDED,
)
"""Verdicts that results have a say in."""
HEADS = {"published": "published value", "ours": "our number"}


READING = (
    "Numbers and directions that others published, each beside what this run can say of it. "
    "{summary} Where the model or the machine is another one, only the direction is judged."
)


@dataclass(frozen=True)
class Judged:
    summary: str
    table: Table
    """All claims."""
    parts: list[Fold]
    """The same, grouped; those in which results had a say are open."""


def section(results: Results, estimates: Estimates) -> PageSection:
    """Raises ValueError with one line where a file of claims is wrong."""
    judged = judged_claims(estimates)
    meanings = Facts([(verdict.value, meaning) for verdict, meaning in MEANINGS.items()])
    return PageSection(
        "claims",
        "Claims",
        [
            READING.format(summary=judged.summary),
            Fold("What the verdicts mean", [meanings]),
            *judged.parts,
            judged.table,
        ],
    )


def judged_claims(estimates: Estimates) -> Judged:
    """Raises ValueError with one line where a file of claims is wrong."""
    works = load_publications()
    known = {claim.id: claim for work in works for claim in work.claims}
    evidence = ClaimEvidence(estimates, known, committed_benches())
    rows, parts, verdicts = [], [], list[Verdict]()
    for work in works:
        for part in work.parts:
            findings = [judge(claim, evidence) for claim in part.claims]
            own = list(map(_row, part.claims, findings))
            place = {"work": work.title, "part": part.title}
            rows += [place | row for row in own]
            title = f"{work.title}: {part.title}"
            table = _table(f"claims-{len(parts)}", title, own, "page")
            measured = any(finding.verdict in MEASURED for finding in findings)
            parts.append(Fold(title, [table], opened=measured))
            verdicts += [finding.verdict for finding in findings]
    return Judged(summary(verdicts), _table("claims", "Claims", rows, "file"), parts)


def summary(verdicts: list[Verdict]) -> str:
    """`Of 3 claims: reproduced 2, not seen 1.`"""
    counts = Counter(verdicts)
    said = ", ".join(f"{verdict} {counts[verdict]}" for verdict in Verdict if counts[verdict])
    return f"Of {len(verdicts)} claims: {said}."


def _row(claim: Claim, finding: Finding) -> dict[str, str]:
    shown_by = f" Shown by {claim.shown_by}." if claim.shown_by else ""
    return {
        "id": claim.id,
        "claim": claim.statement,
        "published": published(claim),
        "conditions": conditions(claim.conditions),
        "source": claim.source,
        "confidence": claim.confidence,
        "verdict": finding.verdict.value,
        "ours": finding.sentence + shown_by,
    }


def _table(
    name: str, title: str, rows: list[dict[str, str]], place: Literal["page", "file"]
) -> Table:
    frame = pd.DataFrame(rows)
    return Table(name, title, frame, frame.rename(columns=HEADS), shown_in=place)


def published(claim: Claim) -> str:
    """`depth: 23 layers; ideal cut: 28.1 %`"""
    spelt = (
        f"{name}: {value if isinstance(value, Quantity) else ', '.join(map(str, value))}"
        for name, value in claim.values.items()
    )
    return "; ".join(spelt) or "–"


def conditions(found: ClaimConditions) -> str:
    said = found.model_dump(exclude_none=True)
    if "batch" in said:
        said["batch"] = f"batch {said['batch']}"
    return "; ".join(map(str, said.values())) or "–"

"""Every claim with its verdict: one table as a file, and a table for each part on the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

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
from reports.claims.verdicts import FROM_RESULTS, MEANINGS, Finding, Verdict
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Block, Facts, Fold, PageSection
from reports.released_code.comparisons import load_comparisons
from reports.tables.released_code import details, released_code
from reports.tables.table import Table

HEADS = {"published": "published value", "ours": "our number"}
"""Columns whose heads on the page are not their names in the data."""
READING = (
    "Numbers and directions that others published, and what this run says about each. {summary} "
    "Where the model or the machine is another one, only the direction is judged."
)
RELEASED = (
    "Each rule was run beside the code that its authors, or others, released: measured "
    "{released.measured}, with commit {released.commit} of this suite. It is not part of this run."
)
Row = dict[str, str]


@dataclass(frozen=True)
class JudgedClaims:
    """All claims with their verdicts."""

    summary: str
    table: Table
    """Every claim, for the file."""
    parts: list[Fold]
    """A table for each part; a part with a verdict from results is open."""


def section(results: Results, estimates: Estimates) -> PageSection:
    """The claims by part, and the rules beside released code.

    Raises ValueError with one line where one of their files is wrong.
    """
    judged = judged_claims(estimates)
    released = load_comparisons()
    differs = Facts([(c.rule, details(c)) for c in released.comparisons])
    meanings = Facts([(verdict.value, meaning) for verdict, meaning in MEANINGS.items()])
    blocks: list[Block] = [
        READING.format(summary=judged.summary),
        Fold("What the verdicts mean", [meanings]),
        Fold(
            "The rules beside released code",
            [
                RELEASED.format(released=released),
                released_code(released),
                "What was compared, what differs, and why:",
                differs,
            ],
        ),
        *judged.parts,
        judged.table,
    ]
    return PageSection("claims", "Claims", blocks)


def judged_claims(estimates: Estimates) -> JudgedClaims:
    """Judges every claim. Raises ValueError with one line where a file of claims is wrong."""
    publications = load_publications()
    evidence = ClaimEvidence(estimates, _claims_by_id(publications), committed_benches())
    rows: list[Row] = []
    parts: list[Fold] = []
    verdicts: list[Verdict] = []
    for publication in publications:
        for part in publication.parts:
            findings = [judge(claim, evidence) for claim in part.claims]
            part_rows = [_row(*pair) for pair in zip(part.claims, findings, strict=True)]
            part_verdicts = [finding.verdict for finding in findings]
            title = f"{publication.title}: {part.title}"
            data = pd.DataFrame(part_rows)
            shown = data.rename(columns=HEADS)
            table = Table(f"claims-{len(parts)}", title, data, shown, shown_in="page")
            parts.append(
                Fold(title, [table], opened=not set(FROM_RESULTS).isdisjoint(part_verdicts))
            )
            rows += [{"work": publication.title, "part": part.title} | row for row in part_rows]
            verdicts += part_verdicts
    data = pd.DataFrame(rows)
    table = Table("claims", "Claims", data, data.rename(columns=HEADS), shown_in="file")
    return JudgedClaims(verdict_counts(verdicts), table, parts)


def _claims_by_id(publications: list[Publication]) -> dict[str, Claim]:
    return {claim.id: claim for publication in publications for claim in publication.claims}


def verdict_counts(verdicts: list[Verdict]) -> str:
    """`Of 3 claims: reproduced 2, not seen 1.`"""
    counts = Counter(verdicts)
    listed = ", ".join(f"{verdict} {counts[verdict]}" for verdict in Verdict if counts[verdict])
    return f"Of {len(verdicts)} claims: {listed}."


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

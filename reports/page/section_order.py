"""Which sections the page has, and in which order. A new section is a new module and a name here.

A section is None where a run has nothing for it; the page leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import PageSection
from reports.page.sections import (
    about,
    bypass,
    claims,
    generation,
    latency,
    plans,
    projection,
    provenance,
    quality,
    recovery,
    rules,
    searches,
    similarity,
    variants,
)

SECTIONS: list[Callable[[Results, Estimates], PageSection | None]] = [
    quality.section,
    recovery.section,
    rules.section,
    variants.section,
    generation.section,
    bypass.section,
    similarity.section,
    plans.section,
    searches.section,
    latency.section,
    projection.section,
    claims.section,
    provenance.section,
    about.section,
]

"""Texts that variants wrote: translations and summaries."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.estimates.text_scores import generations
from reports.page.section import PageSection
from reports.tables.text_scores import generation_table


def section(results: Results, estimates: Estimates) -> PageSection | None:
    """The table of scores; None where no text was written."""
    table = generation_table(results, generations(results))
    return PageSection("generation", "Written texts", [table]) if len(table.shown) else None

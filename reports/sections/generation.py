"""Texts that variants wrote: translation and summaries."""

from __future__ import annotations

from reports.estimates import Estimates
from reports.generation import generation_table, generations
from reports.load import Results
from reports.section import Section


def section(results: Results, estimates: Estimates) -> Section | None:
    table = generation_table(results, generations(results))
    return Section("generation", "Written texts", [table]) if len(table.shown) else None

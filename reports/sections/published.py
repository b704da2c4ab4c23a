"""Others' numbers as published."""

from __future__ import annotations

from reports import tables
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Section

READING = (
    "Other models on other hardware, as their authors published them; nothing here was measured "
    "by this suite, and nothing above is compared with it."
)


def section(results: Results, estimates: Estimates) -> Section:
    return Section("published", "Published values", [READING, *tables.published_tables()])

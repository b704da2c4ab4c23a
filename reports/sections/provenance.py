"""Where the numbers come from, and the commands that make them again."""

from __future__ import annotations

from reports import background
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Command, Facts, Section


def section(results: Results, estimates: Estimates) -> Section:
    measured = [
        Command(f"{kind}, first variant", line)
        for kind, line in background.commands(results).items()
    ]
    report = Command("this report", background.report_command(results))
    return Section(
        "provenance", "Provenance", [Facts(background.facts(results)), *measured, report]
    )

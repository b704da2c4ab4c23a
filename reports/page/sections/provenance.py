"""Where the numbers come from, and the commands that make them again."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Facts, PageSection, ShellCommand
from reports.text import background


def section(results: Results, estimates: Estimates) -> PageSection:
    """Facts of the run, the command of each kind of measurement, and that of the report."""
    facts = Facts(background.facts(results))
    measurements = [
        ShellCommand(f"{kind}, first variant", line)
        for kind, line in background.commands(results).items()
    ]
    report = ShellCommand("this report", background.report_command(results))
    return PageSection("provenance", "Provenance", [facts, *measurements, report])

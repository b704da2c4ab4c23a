"""Every plan, drawn."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.plan_diagram import plan_diagram
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    """The diagram of all plans."""
    drawing = Drawing(
        "plans",
        "Which layers each variant runs, joins, removes or skips",
        "One row for each variant, one column for each layer. A joined box is a group whose layers "
        "share one input; neighbouring groups have different shades.",
        lambda: plan_diagram(results),
    )
    return PageSection("plans", "Every plan", [drawing])

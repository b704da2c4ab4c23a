"""Every plan, drawn."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import plan_diagram
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    drawing = Drawing(
        "plans",
        "Which layers each variant runs, joins, removes or skips",
        "A row a variant, a column a layer. Joined boxes are groups that share one input; shades "
        "alternate between neighbouring groups.",
        lambda: plan_diagram.plan_diagram(results),
    )
    return PageSection("plans", "Every plan", [drawing])

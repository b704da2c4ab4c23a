"""Every plan, drawn."""

from __future__ import annotations

from reports import plans
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Drawing, Section


def section(results: Results, estimates: Estimates) -> Section:
    drawing = Drawing(
        "plans",
        "Which layers each variant runs, joins, removes or skips",
        "A row a variant, a column a layer. Joined boxes are groups that share one input; shades "
        "alternate between neighbouring groups.",
        lambda: plans.plans(results),
    )
    return Section("plans", "Every plan", [drawing])

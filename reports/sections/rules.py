"""Every rule that chooses layers, at every depth, and whether the search pays."""

from __future__ import annotations

from reports import curves
from reports.estimates import Estimates
from reports.load import Results
from reports.scores import FIRST_TOKEN
from reports.section import Drawing, Section


def section(results: Results, estimates: Estimates) -> Section | None:
    if not curves.rule_curves(results):
        return None
    drawing = Drawing(
        "rules",
        "Perplexity and mean accuracy against depth, a line a rule",
        "One line a rule, with intervals; dashed: dense. Lines leave the panel where twenty times "
        f"the dense perplexity is passed; the table has the values. For skipping, {FIRST_TOKEN}.",
        lambda: curves.rule_panels(results, estimates.perplexities, estimates.accuracies),
    )
    return Section(
        "rules",
        "Rules that choose layers",
        [
            drawing,
            curves.curves_table(results, estimates.perplexities, estimates.accuracies),
            curves.searched_table(estimates.searched),
        ],
        list(curves.searched_findings(estimates.searched)),
    )

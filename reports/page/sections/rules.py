"""Every rule that chooses layers, at every depth, and what dynamic programming gains."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.estimates.rule_curves import rule_curves
from reports.figures.rule_curves import rule_panels
from reports.page.section import Drawing, PageSection
from reports.tables.rules import curves_table, searched_table
from reports.tables.scores import FIRST_TOKEN
from reports.text.recovery import unhealed_only


def section(results: Results, estimates: Estimates) -> PageSection | None:
    """Curves and tables of the rules; None where no rule was measured at two depths."""
    if not rule_curves(results):
        return None
    drawing = Drawing(
        "rules",
        "Perplexity and mean accuracy against depth, a line for each rule",
        "One line for each rule, with intervals; dashed: dense. A line leaves the panel at twenty "
        f"times the dense perplexity; the table has its values. For skipping, {FIRST_TOKEN}."
        f"{unhealed_only(results)}",
        lambda: rule_panels(results, estimates.perplexities, estimates.accuracies),
    )
    return PageSection(
        "rules",
        "Rules that choose layers",
        [
            drawing,
            curves_table(results, estimates.perplexities, estimates.accuracies),
            searched_table(estimates.searched),
        ],
    )

"""Where groups start: the starts that the search tried."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.start_search import search_figure
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    """The calibration perplexity of every start."""
    drawing = Drawing(
        "searches",
        "Calibration perplexity of every start that was tried",
        "Perplexity on calibration text of every start that was tried, without bypass. The filled "
        "point was chosen.",
        lambda: search_figure(results),
        otherwise="This run searched for no start.",
    )
    return PageSection("searches", "Where groups start", [drawing])

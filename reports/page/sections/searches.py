"""Where groups start."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.start_search import search_figure
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    drawing = Drawing(
        "searches",
        "Calibration perplexity of every start that was tried",
        "Perplexity on calibration text of each start that was tried, without bypass; the filled "
        "point was chosen.",
        lambda: search_figure(results),
        otherwise="No start was searched for in this run.",
    )
    return PageSection("searches", "Where groups start", [drawing])

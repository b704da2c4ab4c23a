"""Where groups start."""

from __future__ import annotations

from reports import figures
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Drawing, Section


def section(results: Results, estimates: Estimates) -> Section:
    drawing = Drawing(
        "searches",
        "Calibration perplexity of every start that was tried",
        "Perplexity on calibration text of each start that was tried, without bypass; the filled "
        "point was chosen.",
        lambda: figures.searches(results),
        otherwise="No start was searched for in this run.",
    )
    return Section("searches", "Where groups start", [drawing])

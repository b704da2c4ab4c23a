"""The report's page without drawn figures, for tests that look for words or for what is shown."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from markupsafe import Markup

from reports.data.load_results import load_results
from reports.page.page import Report


def rendered_page(folder: Path) -> str:
    """The page's HTML. Every figure counts as drawn, and an empty element stands for it."""
    return Report(load_results(folder)).html(defaultdict(lambda: Markup("<svg></svg>")))


def laid_out_page(folder: Path) -> str:
    """The page's HTML. Figures are laid out but not saved, and an empty element stands for each."""
    report = Report(load_results(folder))
    drawn = {drawing.name: drawing.figure for drawing in report.drawings}
    return report.html({name: figure and Markup("<svg></svg>") for name, figure in drawn.items()})

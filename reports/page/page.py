"""The report: one HTML page that stands alone, and its figures and tables as files."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from benchmarks.results.files import write_atomically
from reports.answers.box import answers
from reports.answers.choices import choices
from reports.data import measured_on
from reports.data.load_results import load_results
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.figure_files import draw_figure, write_figure
from reports.page.section import Drawing, PageSection
from reports.page.section_order import SECTIONS
from reports.page.sections.about import IDEA
from reports.tables.table import Table
from reports.text import background


class Report:
    """The sections of a report, with their figures and tables, before anything is written."""

    def __init__(self, results: Results) -> None:
        self.results, self.estimates = results, Estimates(results)
        self.sections = list(_sections(results, self.estimates))

    @property
    def drawings(self) -> list[Drawing]:
        """Every drawing, those with nothing to show among them."""
        return [drawing for section in self.sections for drawing in section.drawings]

    @property
    def tables(self) -> list[Table]:
        """Tables that are written as files."""
        tables = [table for section in self.sections for table in section.tables]
        return [table for table in tables if table.shown_in != "page"]

    def html(self, svgs: Mapping[str, Markup | None]) -> str:
        """The page; `svgs` maps the name of every drawing to its element, None without a figure."""
        return _template().render(
            results=self.results,
            answers=list(answers(self.results, self.estimates)),
            choices=choices(self.results, self.estimates),
            idea=IDEA,
            sections=self.sections,
            machines=measured_on.machines(self.results),
            svg=lambda drawing: svgs[drawing.name],
            mixed_commits=background.mixed_commits(self.results),
            command=background.report_command,
        )


def write_report(results: Path, out: Path) -> Path:
    """Draws the results of one folder into another; returns the path of the page."""
    report = Report(load_results(results))
    svgs = _draw(report.drawings, out / "figures")
    for table in report.tables:
        table.write(out / "tables")
    page = out / "report.html"
    write_atomically(page, report.html(svgs))
    return page


_TO_DRAW: list[Drawing] = []
"""What workers draw; they are forked, so that they share it with everything it is drawn from."""


def _draw(drawings: list[Drawing], folder: Path) -> dict[str, Markup | None]:
    """Writes every figure; returns the elements of the page by name."""
    _TO_DRAW[:] = drawings
    # Frozen objects cost a worker no time when it collects garbage.
    with ProcessPoolExecutor(mp_context=get_context("fork"), initializer=gc.freeze) as pool:
        elements = pool.map(_draw_one, range(len(drawings)), repeat(folder))
        return {d.name: element for d, element in zip(drawings, elements, strict=True)}


def _draw_one(index: int, folder: Path) -> Markup | None:
    drawing = _TO_DRAW[index]
    return None if drawing.figure is None else draw_figure(drawing.figure, folder, drawing.name)


def write_only(results: Path, out: Path, only: str) -> list[Path]:
    """Writes the one figure, the one table, or both, of that name; returns their files.

    Raises ValueError where the report has neither.
    """
    loaded, names = load_results(results), set[str]()
    for section in _sections(loaded, Estimates(loaded)):
        names |= section.names
        paths = [
            path
            for table in section.tables
            if table.name == only
            for path in table.write(out / "tables")
        ]
        for drawing in section.drawings:
            if drawing.name == only and drawing.figure is not None:
                paths += write_figure(drawing.figure, out / "figures", only)
        if paths:
            return paths
    known = ", ".join(sorted(names))
    raise ValueError(f"--only: {only!r} is not in this report; choose one of {known}")


def _sections(results: Results, estimates: Estimates) -> Iterator[PageSection]:
    """The sections that have something to say, in the order of the page."""
    for make_section in SECTIONS:
        if (section := make_section(results, estimates)) is not None:
            yield section


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["type_name"] = lambda block: type(block).__name__
    return environment.get_template("page.html.j2")

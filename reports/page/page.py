"""The report: one page that stands alone, and its figures and tables as files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from itertools import repeat
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from benchmarks.results.files import write_atomically
from reports.data import measured_on
from reports.data.load_results import load_results
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.style import INK, paper
from reports.page.section import PageSection
from reports.page.sections import SECTIONS
from reports.tables.table import Table
from reports.text import background, summary


class Report:
    """Everything that is written, before it is written."""

    def __init__(self, results: Results) -> None:
        self.results, self.estimates = results, Estimates(results)
        self.sections = list(_sections(results, self.estimates))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        drawings = [drawing for section in self.sections for drawing in section.drawings]
        return {d.name: d.figure for d in drawings if d.figure is not None}

    @property
    def tables(self) -> list[Table]:
        shown = [table for section in self.sections for table in section.tables]
        return [table for table in shown if table.shown_in != "page"]

    def html(self, svgs: dict[str, Markup]) -> str:
        """`svgs`: every figure's element, by its name."""
        return _template().render(
            results=self.results,
            headline=[
                *summary.headline(self.results, self.estimates.perplexities),
                *summary.accuracy_range(self.estimates.accuracies),
            ],
            sections=self.sections,
            findings=[finding for section in self.sections for finding in section.findings],
            machines=measured_on.machines(self.results),
            svg=lambda drawing: svgs[drawing.name],
            command=background.report_command,
        )


def write_report(results: Path, out: Path) -> Path:
    """Draws the results of one folder into another; returns the page's path."""
    report = Report(load_results(results))
    names, figures = report.figures.keys(), report.figures.values()
    with ProcessPoolExecutor() as pool:
        svgs = dict(
            zip(names, pool.map(_draw, figures, repeat(out / "figures"), names), strict=True)
        )
    for table in report.tables:
        table.write(out / "tables")
    write_atomically(page := out / "report.html", report.html(svgs))
    return page


def write_only(results: Path, out: Path, only: str) -> list[Path]:
    """Draws the one figure, and writes the one table, of that name; returns their files.

    Raises ValueError where the report has neither.
    """
    loaded, found, names = load_results(results), [], set()
    for section in _sections(loaded, Estimates(loaded)):
        names |= section.names
        for table in section.tables:
            if table.name == only:
                found += table.write(out / "tables")
        for drawing in section.drawings:
            if drawing.name == only and drawing.figure is not None:
                found += _save(drawing.figure, out / "figures", only)
        if found:
            return found
    said = ", ".join(sorted(names))
    raise ValueError(f"--only: {only!r} is not in this report; choose one of {said}")


def _sections(results: Results, estimates: Estimates) -> Iterator[PageSection]:
    for make in SECTIONS:
        if (section := make(results, estimates)) is not None:
            yield section


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("page.html.j2")


def _draw(figure: Figure, folder: Path, name: str) -> Markup:
    """The figure's files, and its element of the page."""
    _save(figure, folder, name)
    return inline_svg(figure)


def inline_svg(figure: Figure) -> Markup:
    """The figure as an element of the page: it takes the page's width and text colour."""
    stream = io.StringIO()
    with paper():
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids of groups repeat from figure to figure and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return Markup(re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1))


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """PNG and PDF, written aside and renamed; undated, so that equal data give equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
        aside = folder / f".{name}.{kind}"
        with paper():
            figure.savefig(aside, format=kind, metadata=metadata)
        aside.replace(folder / f"{name}.{kind}")
    return [folder / f"{name}.{kind}" for kind in ("png", "pdf")]

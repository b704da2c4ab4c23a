"""The report: one page that stands alone, and its figures and tables as files."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from benchmarks.cost_model.machine import load_machine
from benchmarks.files import write_atomically
from reports import (
    background,
    break_even,
    comparisons,
    cost,
    curves,
    depth,
    figures,
    measures,
    pareto,
    plans,
    scores,
    summary,
    tables,
)
from reports.load import Results, load_results
from reports.style import INK, paper
from reports.tables import Table


@dataclass(frozen=True)
class Report:
    """Everything that is written, before it is written."""

    html: str
    figures: dict[str, Figure]
    tables: list[Table]


def write_report(results: Path, out: Path) -> Path:
    """Draws the results of one folder into another; returns the page's path."""
    loaded = load_results(results)
    with paper():
        report = build_report(loaded)
        for name, figure in report.figures.items():
            _save(figure, out / "figures", name)
    for table in report.tables:
        table.write(out / "tables")
    page = out / "report.html"
    write_atomically(page, report.html)
    return page


def build_report(results: Results) -> Report:
    """Computes every estimate once and hands it to figures, tables and sentences."""
    perplexities = measures.perplexities(results)
    accuracies = measures.accuracies(results)
    latencies = measures.latencies(results)
    removal = comparisons.removal_at_same_depth(results)
    bypass = comparisons.bypass_modes(results)
    drawn = {
        "perplexity-by-depth": depth.perplexity_by_depth(results, perplexities),
        "rules": curves.perplexity_curves(results, perplexities),
        "accuracy-by-depth": depth.accuracy_by_depth(results, accuracies),
        "similarity": figures.similarity(results),
        "plans": plans.plans(results),
        "searches": figures.searches(results),
        "latency": figures.latency(results, latencies),
        "pareto": pareto.pareto(results, perplexities, latencies),
        "break-even": break_even.break_even_map(load_machine(break_even.MACHINE)),
    }
    drawn = {name: figure for name, figure in drawn.items() if figure is not None}
    own = [
        scores.variants_table(results, perplexities, accuracies),
        scores.perplexity_table(perplexities),
        scores.accuracy_table(accuracies),
        curves.curves_table(results, perplexities),
        tables.removal_table(removal),
        tables.bypass_table(bypass),
        tables.latency_table(results, latencies),
        tables.missing_table(results),
        cost.validation_table(),
    ]
    published = tables.published_tables()
    html = _template().render(
        results=results,
        headline=[*summary.headline(results, perplexities), *summary.accuracy_range(accuracies)],
        removal_verdicts=list(summary.removal_verdicts(removal)),
        bypass_verdicts=list(summary.bypass_verdicts(bypass)),
        figures={name: inline_svg(figure) for name, figure in drawn.items()},
        tables={table.name: table for table in own},
        published=published,
        first_token=scores.FIRST_TOKEN,
        background=background,
    )
    return Report(html, drawn, [*own, *published])


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def inline_svg(figure: Figure) -> Markup:
    """The figure as an element of the page: it takes the page's width and text colour."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids of groups repeat from figure to figure and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return Markup(re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1))


def _save(figure: Figure, folder: Path, name: str) -> None:
    """PNG and PDF, written aside and renamed; undated, so that equal data give equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
        aside = folder / f".{name}.{kind}"
        figure.savefig(aside, format=kind, metadata=metadata)
        aside.replace(folder / f"{name}.{kind}")

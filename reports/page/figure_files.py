"""A laid-out figure as PNG and PDF files, and as an SVG element of the page."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from benchmarks.results.files import written_aside
from reports.figures.style import INK, paper

FILE_METADATA: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}}
"""Format -> its metadata; files carry no date, so that equal results give equal files."""


def draw_figure(figure: Figure, folder: Path, name: str) -> Markup:
    """Writes the figure's files and returns its element of the page."""
    write_figure(figure, folder, name)
    return inline_svg(figure)


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes PNG and PDF; returns their paths. Each is complete before it takes its name."""
    paths = []
    for file_format, metadata in FILE_METADATA.items():
        path = folder / f"{name}.{file_format}"
        with written_aside(path) as aside, paper(keep_layout=True):
            figure.savefig(aside, format=file_format, metadata=metadata)
        paths.append(path)
    return paths


def inline_svg(figure: Figure) -> Markup:
    """The figure as an element that has the width and the text colour of the page."""
    stream = io.StringIO()
    with paper(keep_layout=True):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids of groups are not unique on the page, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    for size in ("width", "height"):
        svg = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", svg, count=1)
    return Markup(svg)

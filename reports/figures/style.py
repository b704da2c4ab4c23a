"""How variants and backends look in every figure: colour by family, marker and fill by method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from reports.data.labels import bypass_mode
from reports.data.results import ENGINE, ReportedVariant, Results

# No display is needed: figures are only saved.
mpl.use("agg")

INK = "#010203"
"""Text and lines; on the page it becomes the text colour, which a dark colour scheme changes."""
COLOURS = {
    "dense": INK,
    "cqil": "#0072B2",
    "reordering": "#CC79A7",
    "removal": "#D55E00",
    "skipping": "#009E73",
    "given": "#56B4E9",
}
"""Family -> colour of Okabe and Ito's palette, distinct with any colour vision."""
OTHER_COLOUR = "#777777"
"""Colour of all families that are not in COLOURS: those of methods outside of this project."""
BYPASS_FILLS = {
    "none": "full",
    "ffn": "right",
    "ffn+residual": "left",
    "two-way": "top",
    "mean": "bottom",
}
"""Bypass -> fill style of the marker; a hollow marker always means that a number is missing."""
GROUP_MARKERS = {2: "o", 4: "D"}
OTHER_GROUP_MARKER = "p"
"""Marker of group sizes that are not in GROUP_MARKERS."""
ENGINE_MARKER, DENSE_ONLY_MARKER, BACKEND_MARKERS = "o", "x", "sD^vP"
"""The engine on one device, a backend that runs dense only, and all other backends in order."""


@dataclass(frozen=True)
class VariantStyle:
    """How the markers of a variant look, and their label in legends."""

    label: str
    colour: str
    marker: str
    fill: str

    def line(self) -> dict[str, Any]:
        """Options of matplotlib's plot and errorbar: markers without a line."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "fillstyle": self.fill,
            "markerfacecoloralt": "none",
            "linestyle": "none",
        }


def family_colour(family: str) -> str:
    """Colour of a family; all families that are not in COLOURS share one."""
    return COLOURS.get(family, OTHER_COLOUR)


def variant_style(variant: ReportedVariant) -> VariantStyle:
    """The look that the variant's method gives, in the colour of its family.

    Variants of family `cqil` show their group size and bypass instead, whatever the method.
    """
    colour = family_colour(variant.family)
    if variant.family == "cqil":
        size, mode = variant.plan.max_group_size, bypass_mode(variant)
        marker, fill = GROUP_MARKERS.get(size, OTHER_GROUP_MARKER), BYPASS_FILLS[mode.split(" ")[0]]
        return VariantStyle(f"CQIL p={size}, bypass {mode}", colour, marker, fill)
    return VariantStyle(variant.look.label, colour, variant.look.marker, variant.look.fill)


def backend_line(results: Results, name: str, backends: Sequence[str]) -> dict[str, Any]:
    """Options of matplotlib's plot and errorbar for one of the `backends` of a figure."""
    other_markers = cycle(BACKEND_MARKERS)
    markers = {}
    for backend in backends:
        if backend == ENGINE:
            markers[backend] = ENGINE_MARKER
        elif results.backends[backend].dense_only:
            markers[backend] = DENSE_ONLY_MARKER
        else:
            markers[backend] = next(other_markers)
    return {"marker": markers[name], "markersize": 4.5, "linestyle": "none"}


@contextmanager
def paper(keep_layout: bool = False) -> Iterator[None]:
    """matplotlib with the style of a paper; `keep_layout` is for figures that are laid out."""
    with mpl.rc_context(fname=Path(__file__).parent / "paper.mplstyle"):
        if keep_layout:
            mpl.rcParams["figure.constrained_layout.use"] = False
        yield


def lay_out(figure: Figure) -> None:
    """Gives everything in the figure its place, once for all files that it is saved as."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    # While a figure has a layout engine, even "none", savefig draws it twice.
    with paper(keep_layout=True):
        figure.set_layout_engine(None)

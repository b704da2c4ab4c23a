"""How a variant looks in every figure: colour by family, shape and fill by method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

from reports.data.labels import bypass_mode
from reports.data.results import ENGINE, ReportedVariant, Results

# Drawn from a headless process: the canvas must not ask for a display.
mpl.use("agg")

INK = "#010203"
"""Text and lines; the page turns it into the reader's text colour, for dark schemes."""
# Okabe and Ito's palette, told apart with any colour vision.
COLOURS = {
    "dense": INK,
    "cqil": "#0072B2",
    "reordering": "#CC79A7",
    "removal": "#D55E00",
    "skipping": "#009E73",
}
OTHER_COLOUR = "#777777"
"""Of a family that a method outside of this project brings."""
BYPASS_FILLS = {
    "none": "none",
    "ffn": "full",
    "ffn+residual": "left",
    "two-way": "top",
    "mean": "bottom",
}
ENGINE_MARKER, DENSE_ONLY_MARKER, BACKEND_MARKERS = "o", "x", "sD^vP"
"""The engine on one device, a backend for dense alone, and all others in turn."""


@dataclass(frozen=True)
class VariantStyle:
    """Label, colour, marker and fill of a variant."""

    label: str
    colour: str
    marker: str
    fill: str

    def line(self) -> dict[str, Any]:
        """Options of matplotlib's plot and errorbar."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "fillstyle": self.fill,
            "markerfacecoloralt": "none",
            "linestyle": "none",
        }


def family_colour(family: str) -> str:
    """Colour of a family; one for all that are not known here."""
    return COLOURS.get(family, OTHER_COLOUR)


def variant_style(variant: ReportedVariant) -> VariantStyle:
    """Variants of one method look the same, whatever their depth or seed.

    Grouped plans are told apart by group size and bypass; other methods bring their own look.
    """
    colour = family_colour(variant.family)
    if variant.family == "cqil":
        size, mode = variant.plan.max_group_size, bypass_mode(variant)
        shape, fill = {2: "o", 4: "D"}.get(size, "p"), BYPASS_FILLS[mode.split(" ")[0]]
        return VariantStyle(f"CQIL p={size}, bypass {mode}", colour, shape, fill)
    return VariantStyle(variant.look.label, colour, variant.look.marker, variant.look.fill)


def backend_line(results: Results, name: str, names: Sequence[str]) -> dict[str, Any]:
    """Options of matplotlib's plot and errorbar: a marker for each of the backends `names`."""
    in_turn = cycle(BACKEND_MARKERS)
    markers = {}
    for other in names:
        if other == ENGINE:
            markers[other] = ENGINE_MARKER
        elif results.backends[other].dense_only:
            markers[other] = DENSE_ONLY_MARKER
        else:
            markers[other] = next(in_turn)
    return {"marker": markers[name], "markersize": 4.5, "linestyle": "none"}


@contextmanager
def paper() -> Iterator[None]:
    """matplotlib with the style of a paper."""
    with mpl.rc_context(fname=Path(__file__).parent / "paper.mplstyle"):
        yield

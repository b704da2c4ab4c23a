"""How a variant looks and is named, everywhere: colour by family, shape and fill by rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.paths import EAGER, ENGINE, TRANSFORMERS, mode_of, ranks_of
from reports.load import Variant

# Drawn from a headless process: the canvas must not ask for a display.
mpl.use("agg")

INK = "#010203"
"""Text and lines; the page turns it into the reader's text colour, for dark schemes."""
FAMILIES = {
    "dense": "Dense",
    "cqil": "CQIL",
    "order": "Other order",
    "removal": "Removal",
    "skipping": "Skipping",
}
# Okabe and Ito's palette, told apart with any colour vision.
COLOURS = {
    "dense": INK,
    "cqil": "#0072B2",
    "order": "#CC79A7",
    "removal": "#D55E00",
    "skipping": "#009E73",
}
BYPASS_FILLS = {
    "none": "none",
    "ffn": "full",
    "ffn+residual": "left",
    "two-way": "top",
    "mean": "bottom",
}
# Method, or the option that tells its variants apart -> label, marker, fill.
LOOKS = {
    "shortgpt": ("ShortGPT removal", "s", "full"),
    "gromov": ("Gromov removal", "s", "none"),
    "random": ("Random removal", "s", "left"),
    "last-n": ("Last-layers removal", "s", "right"),
    "magnitude": ("Magnitude removal", "s", "top"),
    "relative-magnitude": ("Relative-magnitude removal", "s", "bottom"),
    "ppl": ("Shortened LLaMA, perplexity", "X", "full"),
    "taylor": ("Shortened LLaMA, Taylor", "X", "none"),
    "sleb": ("SLEB removal", "P", "full"),
    "blockpruner": ("BlockPruner removal", "P", "none"),
    "paper laco": ("LaCo merging", "h", "full"),
    "notebook laco": ("LaCo merging, notebook rule", "h", "none"),
    "code": ("Skipping, code rule", "v", "full"),
    "even": ("Skipping, even rule", "v", "none"),
    "paper": ("Skipping, paper rule", "v", "left"),
    "skipdecode": ("SkipDecode, shallowest", "v", "right"),
    "softmax-gap": ("Early exit, softmax gap", "^", "full"),
    "saturation": ("Early exit, saturation", "^", "none"),
    "fixed": ("Early exit, fixed depth", "^", "left"),
    "layer-parallel": ("Layer Parallelism", "d", "full"),
    "painters": ("Painters", "d", "none"),
    "parallel-attention": ("Parallel attention and MLP", "d", "left"),
    "ladder": ("Ladder-Residual", "d", "right"),
}
MODE_NAMES = {"graph": "in a graph", "compiled": "compiled"}
PATH_SHAPES = {ENGINE: "o", TRANSFORMERS: "x"}
RANKS_SHAPES = "sD^vP"
"""One after another for each number of ranks."""


@dataclass(frozen=True)
class Look:
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


def look(variant: Variant) -> Look:
    """Variants of one rule look the same, whatever their depth or seed."""
    colour = COLOURS[variant.family]
    if variant.family == "dense":
        return Look("Dense", colour, "*", "full")
    if variant.family == "cqil":
        size, mode = variant.plan.max_group_size, bypass_mode(variant)
        shape, fill = {2: "o", 4: "D"}.get(size, "p"), BYPASS_FILLS[mode.split(" ")[0]]
        return Look(f"CQIL p={size}, bypass {mode}", colour, shape, fill)
    label, marker, fill = LOOKS.get(_rule(variant), (variant.method, "H", "full"))
    return Look(label, colour, marker, fill)


def _rule(variant: Variant) -> str:
    """What tells the variants of one method apart, where its options do; else the method."""
    if variant.method == "laco":
        return f"{variant.options.get('rule', 'paper')} laco"
    return str(variant.options.get("criterion") or variant.options.get("rule") or variant.method)


def bypass_mode(variant: Variant) -> str:
    """none, ffn, ffn+residual, two-way or mean; a distance above one is named."""
    plan = variant.plan
    if plan.bypass_target in ("two-way", "mean"):
        return plan.bypass_target
    if plan.bypass == 0:
        return "none"
    return plan.bypass_target + (f" d={plan.bypass}" if plan.bypass > 1 else "")


def path_name(path: str) -> str:
    """What runs a variant there, in words."""
    if path == TRANSFORMERS:
        return "generate of Transformers"
    ranks, mode = ranks_of(path), mode_of(path)
    name = "one device" if ranks == 1 else f"{ranks} ranks"
    return name if mode == EAGER else f"{name}, {MODE_NAMES[mode]}"


def path_line(path: str, paths: list[str]) -> dict[str, Any]:
    """Options of matplotlib's plot and errorbar: one shape for each of the `paths`."""
    on_ranks = [other for other in paths if other not in PATH_SHAPES]
    shapes = PATH_SHAPES | dict(zip(on_ranks, cycle(RANKS_SHAPES), strict=False))
    return {"marker": shapes[path], "markersize": 4.5, "linestyle": "none"}


@contextmanager
def paper() -> Iterator[None]:
    """matplotlib as the figures want it."""
    with mpl.rc_context(fname=Path(__file__).parent / "paper.mplstyle"):
        yield

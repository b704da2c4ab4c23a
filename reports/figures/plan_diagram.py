"""Every plan in one figure: a row for each variant, a column for each layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from cqil.plan import LayerPlan
from cqil.plan.stages import Member, has_attention, layer_of
from reports.data.results import Results
from reports.figures.style import COLOURS, INK, family_colour

GAP = 0.08
"""Space on each side of a box, in columns."""
SINGLE_ALPHA, GROUP_ALPHAS = 0.35, (0.95, 0.65)
"""Shade of a layer that runs alone, and the two shades that neighbouring groups alternate in."""
PROMPT_HATCH = "//////"
LADDER: dict[str, Any] = {"hatch": "....", "edgecolor": INK}
HOLLOW: dict[str, Any] = {"fill": False, "linewidth": 0.4}


def plan_diagram(results: Results) -> Figure:
    """A box for each stage; layers that a decoded token does not run are hollow."""
    variants = list(results.variants.values())
    num_layers = results.model.num_layers
    figure = Figure(figsize=(5.2, 1.1 + 0.19 * len(variants)))
    axes = figure.subplots()
    _draw_plans(axes, [(variant.plan, family_colour(variant.family)) for variant in variants])
    axes.text(num_layers + 0.1, -1, "depth", va="center", fontsize=7.5)
    for row, variant in enumerate(variants):
        axes.text(num_layers + 0.1, row, f"{variant.depth:g}", va="center", fontsize=7.5)
    axes.set(xlim=(-0.6, num_layers + 1.6), ylim=(len(variants) - 0.4, -1.4))
    axes.set_yticks(range(len(variants)), list(results.variants))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Layer of the checkpoint")
    has_ladder = any(variant.plan.ladder for variant in variants)
    figure.legend(handles=_legend_entries(has_ladder), loc="outside lower center", ncols=2)
    return figure


@dataclass(frozen=True)
class BoxLook:
    """How the box of a stage looks."""

    colour: str
    alpha: float
    in_ladder: bool


def _draw_plans(axes: Axes, plans: list[tuple[LayerPlan, str]]) -> None:
    """Boxes of all (plan, colour), a row each; boxes that look the same are drawn in one call."""
    boxes: dict[BoxLook, list[Rectangle]] = defaultdict(list)
    prompt_only, removed, seams = [], [], []
    for row, (plan, colour) in enumerate(plans):
        for look, box in _stage_boxes(row, plan, colour):
            boxes[look].append(box)
        seams += [
            [(_left(member), row - 0.2), (_left(member), row + 0.2)]
            for stage in plan.groups
            for member in stage[1:]
        ]
        decoded, stored = set(plan.layers), set(plan.stored_layers)
        prompt_only += _layer_boxes(row, stored - decoded)
        removed += _layer_boxes(row, set(range(plan.num_layers)) - stored - decoded)
    for look, of_look in boxes.items():
        fill: dict[str, Any] = {"facecolor": look.colour, "alpha": look.alpha, "linewidth": 0}
        ladder = LADDER if look.in_ladder else {}
        axes.add_collection(PatchCollection(of_look, **fill, **ladder))
    axes.add_collection(LineCollection(seams, colors="white", linewidths=0.6))
    hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "alpha": 0.4, "linewidth": 0.4}
    axes.add_collection(PatchCollection(prompt_only, hatch=PROMPT_HATCH, **hollow))
    axes.add_collection(PatchCollection(removed, **hollow))


def _stage_boxes(row: int, plan: LayerPlan, colour: str) -> Iterator[tuple[BoxLook, Rectangle]]:
    """The stages in order; groups alternate in shade, so that neighbours are distinct."""
    num_groups = 0
    for stage in plan.groups:
        alpha = SINGLE_ALPHA
        if len(stage) > 1:
            alpha = GROUP_ALPHAS[num_groups % 2]
            num_groups += 1
        box = _box(row, _left(stage[0]), _left(stage[-1]) + _width(stage[-1]))
        yield BoxLook(colour, alpha, plan.in_ladder(stage)), box


def _layer_boxes(row: int, layers: set[int]) -> list[Rectangle]:
    return [_box(row, layer - 0.5, layer + 0.5) for layer in sorted(layers)]


def _left(member: Member) -> float:
    """Left edge of a layer's column, or of the half of it that is its attention or its MLP."""
    return layer_of(member) - (0.5 if has_attention(member) else 0)


def _width(member: Member) -> float:
    return 1 if isinstance(member, int) else 0.5


def _box(row: float, left: float, right: float) -> Rectangle:
    return Rectangle((left + GAP, row - 0.36), right - left - 2 * GAP, 0.72)


def _legend_entries(has_ladder: bool) -> list[Patch]:
    cqil, reordering = COLOURS["cqil"], COLOURS["reordering"]
    entries = [
        Patch(facecolor=cqil, alpha=SINGLE_ALPHA, label="runs on its own"),
        Patch(facecolor=cqil, label="joined: layers share one input"),
        Patch(edgecolor=INK, label="removed", **HOLLOW),
        Patch(edgecolor=INK, hatch=PROMPT_HATCH, label="runs for the prompt only", **HOLLOW),
    ]
    if has_ladder:
        ladder: dict[str, Any] = {"facecolor": reordering, "alpha": SINGLE_ALPHA, "linewidth": 0}
        entries.append(Patch(label="ladder", **ladder, **LADDER))
    return entries

"""Every plan in one figure: a row a variant, a column a layer."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from cqil.plan import LayerPlan
from cqil.plan.stages import Member, has_attention, layer_of
from reports.data.results import Results
from reports.figures.style import COLOURS, INK

GAP = 0.08
HOLLOW = {"fill": False, "linewidth": 0.4}
DOTTED: dict[str, Any] = {"hatch": "....", "edgecolor": INK}


def plan_diagram(results: Results) -> Figure:
    """Joined cells share one input, dotted ones are a ladder; empty cells are removed, hatched ones
    skip decoded tokens."""
    variants = list(results.variants.values())
    figure = Figure(figsize=(5.2, 1.1 + 0.19 * len(variants)))
    axes = figure.subplots()
    for row, variant in enumerate(variants):
        _draw(axes, row, variant.plan, COLOURS[variant.family])
        depth = f"{variant.depth:g}"
        axes.text(results.model.num_layers + 0.1, row, depth, va="center", fontsize=7.5)
    axes.text(results.model.num_layers + 0.1, -1, "depth", va="center", fontsize=7.5)
    axes.set(xlim=(-0.6, results.model.num_layers + 1.6), ylim=(len(variants) - 0.4, -1.4))
    axes.set_yticks(range(len(variants)), list(results.variants))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Layer of the checkpoint")
    ladders = any(variant.plan.ladder for variant in variants)
    figure.legend(handles=_legend(ladders), loc="outside lower center", ncols=2)
    return figure


def _draw(axes: Axes, row: int, plan: LayerPlan, colour: str) -> None:
    """Stages as boxes; groups alternate in shade, so that neighbours stay apart."""
    groups, boxes, seams = 0, defaultdict(list), []
    for stage in plan.groups:
        grouped = len(stage) > 1
        alpha = 0.35 if not grouped else (0.95, 0.65)[groups % 2]
        groups += grouped
        box = _box(row, _left(stage[0]), _left(stage[-1]) + _width(stage[-1]))
        boxes[alpha, plan.in_ladder(stage)].append(box)
        seams += [[(_left(m), row - 0.2), (_left(m), row + 0.2)] for m in stage[1:]]
    for (alpha, ladder), own in boxes.items():
        marks = DOTTED if ladder else {}
        fill = {"facecolor": colour, "alpha": alpha, "linewidth": 0}
        axes.add_collection(PatchCollection(own, **fill, **marks))
    axes.add_collection(LineCollection(seams, colors="white", linewidths=0.6))
    decoding, prompt = set(plan.layers), set(plan.stored_layers)
    for hatch, absent in (("//////", prompt - decoding), (None, _others(plan, prompt | decoding))):
        own = [_box(row, layer - 0.5, layer + 0.5) for layer in sorted(absent)]
        style = {"facecolor": "none", "edgecolor": INK, "alpha": 0.4, "linewidth": 0.4}
        axes.add_collection(PatchCollection(own, hatch=hatch, **style))


def _others(plan: LayerPlan, run: set[int]) -> set[int]:
    return set(range(plan.num_layers)) - run


def _left(member: Member) -> float:
    """Left edge of a layer's column, or of the half that is its attention or its MLP."""
    return layer_of(member) - (0.5 if has_attention(member) else 0)


def _width(member: Member) -> float:
    return 1 if isinstance(member, int) else 0.5


def _box(row: float, left: float, right: float) -> Rectangle:
    return Rectangle((left + GAP, row - 0.36), right - left - 2 * GAP, 0.72)


def _legend(ladders: bool) -> list[Patch]:
    dotted = Patch(facecolor=COLOURS["reordering"], alpha=0.35, linewidth=0, label="ladder", **DOTTED)
    return [
        Patch(facecolor=COLOURS["cqil"], alpha=0.35, label="runs on its own"),
        Patch(facecolor=COLOURS["cqil"], label="joined: layers share one input"),
        Patch(edgecolor=INK, label="removed", **HOLLOW),
        Patch(edgecolor=INK, hatch="//////", label="runs for the prompt only", **HOLLOW),
        *[dotted] * ladders,
    ]

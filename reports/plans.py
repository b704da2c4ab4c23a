"""Every plan in one figure: a row a variant, a column a layer."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from cqil.plan import LayerPlan
from cqil.stages import Member, has_attention, layer_of
from reports.load import Results
from reports.style import COLOURS, INK

GAP = 0.08
HOLLOW = {"fill": False, "linewidth": 0.4}


def plans(results: Results) -> Figure:
    """Joined cells share one input; empty cells are removed, hatched ones skip decoded tokens."""
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
    figure.legend(handles=_legend(), loc="outside lower center", ncols=2)
    return figure


def _draw(axes: Axes, row: int, plan: LayerPlan, colour: str) -> None:
    """Stages as boxes; groups alternate in shade, so that neighbours stay apart."""
    groups = 0
    for stage in plan.groups:
        grouped = len(stage) > 1
        alpha = 0.35 if not grouped else (0.95, 0.65)[groups % 2]
        groups += grouped
        first, last = _left(stage[0]), _left(stage[-1]) + _width(stage[-1])
        box = _box(row, first, last, facecolor=colour, alpha=alpha, linewidth=0)
        axes.add_patch(box)
        for member in stage[1:]:
            axes.plot([_left(member)] * 2, [row - 0.2, row + 0.2], color="white", linewidth=0.6)
    decoding, prompt = set(plan.layers), set(plan.stored_layers)
    for layer in sorted(set(range(plan.num_layers)) - decoding):
        hatch = "//////" if layer in prompt else None
        box = _box(row, layer - 0.5, layer + 0.5, edgecolor=INK, alpha=0.4, hatch=hatch, **HOLLOW)
        axes.add_patch(box)


def _left(member: Member) -> float:
    """Left edge of a layer's column, or of the half that is its attention or its MLP."""
    return layer_of(member) - (0.5 if has_attention(member) else 0)


def _width(member: Member) -> float:
    return 1 if isinstance(member, int) else 0.5


def _box(row: float, left: float, right: float, **style: object) -> Rectangle:
    return Rectangle((left + GAP, row - 0.36), right - left - 2 * GAP, 0.72, **style)


def _legend() -> list[Patch]:
    return [
        Patch(facecolor=COLOURS["cqil"], alpha=0.35, label="runs on its own"),
        Patch(facecolor=COLOURS["cqil"], label="joined: layers share one input"),
        Patch(edgecolor=INK, label="removed", **HOLLOW),
        Patch(edgecolor=INK, hatch="//////", label="runs for the prompt only", **HOLLOW),
    ]

"""Loss of held-out text while a plan is healed, against tokens and against minutes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.data.healing import HealedHere
from reports.data.labels import WAYS
from reports.data.results import ReportedVariant, Results
from reports.estimates.recovery import same_plan, twin_of
from reports.figures.elements import by_family, entry, fitting_columns, readable_log
from reports.figures.style import INK, family_colour

LINESTYLES = {"refit": ":", "lora": "-", "full": "--"}
"""Method of a step -> its line."""
MARKERS = "oDs^vPX*<>p"
"""Of the plans of one family, in the order of the run."""
WIDTH = 7.2


@dataclass(frozen=True)
class Segment:
    """The course of one step, which begins where the step before it ended."""

    method: str
    tokens: list[float]
    minutes: list[float]
    excess: list[float]
    """Held-out loss above that of dense, nats per token."""


@dataclass(frozen=True)
class Plan:
    """A plan with its look; variants that differ in healing alone share it."""

    first: ReportedVariant
    name: str
    marker: str


def recovery_curves(results: Results) -> Figure | None:
    """A line for each healed variant in two panels; None where no course was recorded."""
    courses = {variant.name: segments(variant) for variant in results.healed}
    drawn = [variant for variant in by_family(results.healed) if courses[variant.name]]
    if not drawn:
        return None
    plans = _plans(results, drawn)
    entries = [*_plan_entries(plans), *_way_entries(drawn)]
    num_columns = fitting_columns(entries, WIDTH)
    figure = Figure(figsize=(WIDTH, 3.2 + 0.17 * -(-len(entries) // num_columns)))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, axis in zip(panels, ("tokens", "minutes"), strict=True):
        for variant in drawn:
            plan = next(plan for plan in plans if same_plan(plan.first, variant))
            _draw_course(axes, courses[variant.name], axis, plan)
        axes.set_xlabel({"tokens": "Thousands of tokens", "minutes": "Minutes"}[axis])
        axes.grid(axis="y")
    excess = [x for course in courses.values() for segment in course for x in segment.excess]
    if min(excess) > 0:
        readable_log(panels[0])
    else:
        panels[0].axhline(0, color=INK, linestyle="--", linewidth=0.9)
    scale = " (log)" if min(excess) > 0 else ""
    panels[0].set_ylabel(f"Held-out loss above dense, nats{scale}")
    figure.legend(handles=entries, loc="outside lower center", ncols=num_columns)
    return figure


def segments(variant: ReportedVariant) -> list[Segment]:
    """The measured points of a variant's steps, one after another."""
    chained, tokens, minutes = [], 0.0, 0.0
    for step in variant.healing:
        if not isinstance(step, HealedHere):
            # Where it starts and what it cost is not known, so nothing after it has a place.
            break
        points = [point for point in step.course if point.held_out is not None]
        segment = Segment(
            step.method,
            [tokens + point.tokens for point in points],
            [minutes + point.seconds / 60 for point in points],
            [(point.held_out or 0.0) - step.dense_held_out for point in points],
        )
        if points:
            chained.append(segment)
        tokens, minutes = tokens + step.tokens, minutes + step.seconds / 60
    return chained


def _draw_course(axes: Axes, course: list[Segment], axis: str, plan: Plan) -> None:
    """A bar before the first step, a marker after each."""
    look: dict[str, Any] = {
        "color": family_colour(plan.first.family),
        "marker": plan.marker,
        "markersize": 4,
    }
    for segment in course:
        scale = 1 / 1000 if axis == "tokens" else 1
        places = [scale * place for place in getattr(segment, axis)]
        line = LINESTYLES[segment.method]
        axes.plot(places, segment.excess, linestyle=line, markevery=[-1], **look)
        if segment is course[0]:
            axes.plot(places[:1], segment.excess[:1], **look | {"marker": "|", "markersize": 8})


def _plans(results: Results, variants: Iterable[ReportedVariant]) -> list[Plan]:
    """Distinct plans, named after their unhealed variant; markers begin anew in each family."""
    plans: list[Plan] = []
    markers: dict[str, cycle[str]] = {}
    for variant in variants:
        if any(same_plan(plan.first, variant) for plan in plans):
            continue
        twin = twin_of(results, variant) or variant
        of_family = markers.setdefault(variant.family, cycle(MARKERS))
        plans.append(Plan(variant, twin.name, next(of_family)))
    return plans


def _plan_entries(plans: Iterable[Plan]) -> list[Line2D]:
    return [
        entry(
            plan.name,
            color=family_colour(plan.first.family),
            marker=plan.marker,
            linestyle="none",
        )
        for plan in plans
    ]


def _way_entries(variants: Iterable[ReportedVariant]) -> list[Line2D]:
    methods = {step.method for variant in variants for step in variant.healing}
    return [
        entry(WAYS[method], color=INK, linestyle=linestyle)
        for method, linestyle in LINESTYLES.items()
        if method in methods
    ]

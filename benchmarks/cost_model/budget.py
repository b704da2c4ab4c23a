"""From a latency budget to a depth: the largest whose predicted step still fits. A projection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.model import Work, predict
from benchmarks.cost_model.shapes import Shape
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, kept_layers_plan, uniform_plan
from cqil.selection.uniform import grouped_span


@dataclass(frozen=True)
class Fit:
    """What a budget leads to."""

    depth: int
    predicted_ms: float
    dense_ms: float


def depth_within(
    budget_ms: float,
    shape: Shape,
    machine: Machine,
    *,
    group_size: int | None,
    layout: Layout,
    work: Work,
) -> Fit:
    """`group_size`: of the rule's groups; None for rules that leave layers out.

    Where groups lie does not change their time, so they are taken from the middle. Raises
    ValueError where dense fits already and where no depth does.
    """
    dense_ms = _ms(kept_layers_plan(shape.layers, list(range(shape.layers))), shape, machine, work)
    if dense_ms <= budget_ms:
        raise ValueError(
            f"latency_budget: {budget_ms:g} ms, but dense on one device of {machine.name} takes "
            f"{dense_ms:.3g} ms; nothing needs to go"
        )
    shortest = dense_ms
    for depth, plan in _plans(shape.layers, group_size):
        found = _ms(plan, shape, machine, work, layout)
        if found <= budget_ms:
            return Fit(depth, found, dense_ms)
        shortest = min(shortest, found)
    raise ValueError(
        f"latency_budget: {budget_ms:g} ms is out of reach on {machine.name}; the least is "
        f"{shortest:.3g} ms (dense {dense_ms:.3g} ms)"
    )


def _plans(layers: int, group_size: int | None) -> Iterator[tuple[int, LayerPlan]]:
    """From the deepest on."""
    least = 1 if group_size is None else -(-layers // group_size)
    for depth in range(layers - 1, least - 1, -1):
        if group_size is None:
            yield depth, kept_layers_plan(layers, list(range(depth)))
        else:
            span = grouped_span(layers, depth, group_size)
            start = (layers - span) // 2
            yield depth, uniform_plan(layers, start, start + span, group_size)


def _ms(
    plan: LayerPlan, shape: Shape, machine: Machine, work: Work, layout: Layout = ONE_DEVICE
) -> float:
    return 1e3 * predict(plan, layout, shape, machine, work).total_s

"""From a latency budget to a depth: the largest whose predicted step still fits. A projection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from baselines.registry import methods
from benchmarks.config.latency_budget import LatencyBudget, budget_of
from benchmarks.cost_model.machine import Machine, load_machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import StepWorkload, predict_step
from benchmarks.results.files import read_json
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, kept_layers_plan, uniform_plan
from cqil.selection.grouping import Grouping
from cqil.selection.uniform import grouped_span

REORDERING_GROUP_SIZE = 2
"""Layers of a group of the other orders that take a depth."""


@dataclass(frozen=True)
class BudgetFit:
    """What a budget leads to."""

    depth: int
    predicted_ms: float
    dense_ms: float


def resolve_depth(
    options: dict[str, Any], manifest: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The options with the depth that their budget leaves this model, and what was predicted.

    Options without a budget come back as they are. Raises ValueError where no depth fits, where
    dense fits already, and where the machine is not known.
    """
    if (budget := budget_of(options)) is None:
        return options, None
    fit = _fit(options, budget, manifest)
    found = asdict(fit) | budget.model_dump() | {"projected": True}
    return budget.replaced(options, fit.depth), found


def _fit(options: dict[str, Any], budget: LatencyBudget, manifest: dict[str, Any]) -> BudgetFit:
    shape = ModelShape.of_config(
        manifest["name"], read_json(Path(manifest["path"]) / "config.json")
    )
    return depth_within(
        budget.ms,
        shape,
        load_machine(budget.machine),
        group_size=_group_size(options),
        layout=Layout(
            group_parallel_size=budget.group_parallel_size,
            tensor_parallel_size=budget.tensor_parallel_size,
        ),
        work=StepWorkload(itemsize=4 if budget.dtype == "float32" else 2),
    )


def _group_size(options: dict[str, Any]) -> int | None:
    """None for rules that leave layers out."""
    kind = methods()[options["method"]]
    if issubclass(kind, Grouping):
        size = options.get("group_size", kind.model_fields["group_size"].default)
        return int(size)
    return REORDERING_GROUP_SIZE if kind.family == "order" else None


def depth_within(
    budget_ms: float,
    shape: ModelShape,
    machine: Machine,
    *,
    group_size: int | None,
    layout: Layout,
    work: StepWorkload,
) -> BudgetFit:
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
            return BudgetFit(depth, found, dense_ms)
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
    plan: LayerPlan,
    shape: ModelShape,
    machine: Machine,
    work: StepWorkload,
    layout: Layout = ONE_DEVICE,
) -> float:
    return 1e3 * predict_step(plan, layout, shape, machine, work).total_s

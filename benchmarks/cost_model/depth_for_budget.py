"""The largest depth whose predicted step fits a latency budget. A projection. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from baselines.registry import methods
from benchmarks.config.latency_budget import LatencyBudget, budget_of
from benchmarks.cost_model.machine import Machine, load_machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import dense_s, predict_step
from benchmarks.cost_model.step_workload import StepWorkload, itemsize_of
from benchmarks.results.files import read_json
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, kept_layers_plan, uniform_plan
from cqil.selection.grouping import Grouping
from cqil.selection.uniform import grouped_span

REORDERING_GROUP_SIZE = 2
"""Layers of a group of the reordering methods that take a depth."""


@dataclass(frozen=True)
class BudgetFit:
    """The depth that a budget leads to, and predictions."""

    depth: int
    predicted_ms: float
    dense_ms: float


def resolve_depth(
    options: dict[str, Any], manifest: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Options with the depth that their budget leaves this model, and a record of the prediction.

    Options without a budget come back unchanged, with None. Raises ValueError where no depth fits,
    where the dense model fits already, and where the machine is unknown.
    """
    if (budget := budget_of(options)) is None:
        return options, None
    fit = _fit(options, budget, manifest)
    prediction = asdict(fit) | budget.model_dump() | {"projected": True}
    return budget.replace_by_depth(options, fit.depth), prediction


def _fit(options: dict[str, Any], budget: LatencyBudget, manifest: dict[str, Any]) -> BudgetFit:
    config = read_json(Path(manifest["path"]) / "config.json")
    return depth_within(
        budget.ms,
        ModelShape.of_config(manifest["name"], config),
        load_machine(budget.machine),
        group_size=_group_size(options),
        layout=Layout(
            group_parallel_size=budget.group_parallel_size,
            tensor_parallel_size=budget.tensor_parallel_size,
        ),
        work=StepWorkload(itemsize=itemsize_of(budget.dtype)),
    )


def _group_size(options: dict[str, Any]) -> int | None:
    """Layers of a group; None for methods that leave layers out."""
    method_class = methods()[options["method"]]
    if issubclass(method_class, Grouping):
        return int(options.get("group_size", method_class.model_fields["group_size"].default))
    return REORDERING_GROUP_SIZE if method_class.family == "reordering" else None


def depth_within(
    budget_ms: float,
    shape: ModelShape,
    machine: Machine,
    *,
    group_size: int | None,
    layout: Layout,
    work: StepWorkload,
) -> BudgetFit:
    """The largest depth within a budget; `group_size` is None where layers are left out.

    The place of groups does not change their time, so they are taken from the middle. Raises
    ValueError where the dense model fits already and where no depth does.
    """
    dense_ms = 1e3 * dense_s(shape, machine, work)
    if dense_ms <= budget_ms:
        raise ValueError(
            f"latency_budget: {budget_ms:g} ms, but dense on one device of {machine.name} takes "
            f"{dense_ms:.3g} ms; nothing needs to go"
        )
    shortest_ms = dense_ms
    for depth, plan in _plans(shape.layers, group_size):
        predicted_ms = 1e3 * predict_step(plan, layout, shape, machine, work).total_s
        if predicted_ms <= budget_ms:
            return BudgetFit(depth, predicted_ms, dense_ms)
        shortest_ms = min(shortest_ms, predicted_ms)
    raise ValueError(
        f"latency_budget: {budget_ms:g} ms is out of reach on {machine.name}; the shortest "
        f"step takes {shortest_ms:.3g} ms (dense {dense_ms:.3g} ms)"
    )


def _plans(layers: int, group_size: int | None) -> Iterator[tuple[int, LayerPlan]]:
    """(depth, plan), the largest depth first."""
    min_depth = 1 if group_size is None else -(-layers // group_size)
    for depth in range(layers - 1, min_depth - 1, -1):
        if group_size is None:
            yield depth, kept_layers_plan(layers, list(range(depth)))
        else:
            span = grouped_span(layers, depth, group_size)
            start = (layers - span) // 2
            yield depth, uniform_plan(layers, start, start + span, group_size)

"""Methods on p devices, compared over the latency of a message and the size of a model. No torch.

Every message costs alpha, so a method's time is a line over alpha, and one prediction gives all of
it. CQIL groups the shares of layers that its paper (arXiv 2404.06709) groups on LLaMA-7B: S12 E30
of 32 layers in pairs, S14 E30 in groups of four; other depths in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import predict_step
from benchmarks.cost_model.step_workload import StepWorkload
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

GROUPED_SHARES = {2: (12 / 32, 30 / 32), 4: (14 / 32, 30 / 32)}
"""Group size -> where the groups start and end, as shares of the depth."""
FULL_DEPTH_METHODS = ("TP", "LP", "CQIL", "CQIL × TP")
"""Methods that keep every layer and use every device."""
REMOVAL = "removal"
"""Layers removed to CQIL's depth, on one device."""


@dataclass(frozen=True)
class LatencyLine:
    """Seconds of a token = fixed + slope x alpha."""

    fixed_s: float
    slope: float
    """Number of messages."""

    def at(self, alpha_s: np.ndarray) -> np.ndarray:
        """Seconds of a token for each latency."""
        return self.fixed_s + self.slope * alpha_s


def parallel_methods(shape: ModelShape, ranks: int) -> dict[str, tuple[LayerPlan, Layout]]:
    """Name -> plan and layout on `ranks` devices; removal has CQIL's depth and one device.

    A method that cannot split the shape over so many devices is left out.
    """
    size = max(p for p in GROUPED_SHARES if p <= ranks)
    pairs, groups = grouped_plan(shape.layers, 2), grouped_plan(shape.layers, size)
    methods: dict[str, tuple[LayerPlan, Layout]] = {}
    if ranks <= shape.heads:
        two_way = replace(pairs, bypass_target="two-way")
        methods["TP"] = dense_plan(shape.layers), Layout(tensor_parallel_size=ranks)
        methods["LP"] = two_way, Layout(tensor_parallel_size=ranks)
    if size == ranks:
        methods["CQIL"] = groups, Layout(group_parallel_size=ranks)
    if ranks > 2 and ranks // 2 <= shape.heads:
        both = Layout(group_parallel_size=2, tensor_parallel_size=ranks // 2)
        methods["CQIL × TP"] = pairs, both
    kept = [round(i * shape.layers / groups.depth) for i in range(int(groups.depth))]
    methods[REMOVAL] = kept_layers_plan(shape.layers, kept), ONE_DEVICE
    return methods


def grouped_plan(layers: int, size: int) -> LayerPlan:
    """CQIL's share of the layers in groups of `size`."""
    start, end = (round(share * layers) for share in GROUPED_SHARES[size])
    return uniform_plan(layers, start, start + (end - start) // size * size, size)


def latency_lines(
    shape: ModelShape, ranks: int, machine: Machine, work: StepWorkload
) -> dict[str, LatencyLine]:
    """Name -> seconds of a token over the latency of a message."""
    lines = {}
    for name, (plan, layout) in parallel_methods(shape, ranks).items():
        free = predict_step(plan, layout, shape, machine.with_latency(0.0), work)
        lines[name] = LatencyLine(free.total_s, free.ledger.collectives + free.ledger.messages)
    return lines

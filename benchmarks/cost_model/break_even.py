"""Which way of using p devices is fastest, by the latency of a message and by the model's size.

Every message costs alpha, so time is a line in it, and one prediction gives a method for all
latencies. CQIL has the shares of layers grouped that its paper uses on LLaMA-7B: S12 E30 of 32
for pairs, S14 E30 for groups of four; other sizes and depths in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import StepWorkload, predict_step
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

GROUPED = {2: (12 / 32, 30 / 32), 4: (14 / 32, 30 / 32)}
"""Group size -> where the groups start and end, as shares of the depth."""
MAIN = ("TP", "LP", "CQIL", "CQIL × TP")
"""Ways that keep every layer and use every device."""
REMOVAL = "removal"


@dataclass(frozen=True)
class LatencyLine:
    """Seconds a token = fixed + slope x alpha."""

    fixed_s: float
    slope: float

    def at(self, alpha_s: np.ndarray) -> np.ndarray:
        return self.fixed_s + self.slope * alpha_s


def parallel_methods(shape: ModelShape, ranks: int) -> dict[str, tuple[LayerPlan, Layout]]:
    """Name -> plan and layout on `ranks` devices; removal has CQIL's depth and one device.

    A method that the shape cannot be split for is left out.
    """
    size = max(p for p in GROUPED if p <= ranks)
    pairs, groups = grouped_plan(shape.layers, 2), grouped_plan(shape.layers, size)
    found: dict[str, tuple[LayerPlan, Layout]] = {}
    if ranks <= shape.heads:
        two_way = replace(pairs, bypass_target="two-way")
        found["TP"] = dense_plan(shape.layers), Layout(tensor_parallel_size=ranks)
        found["LP"] = two_way, Layout(tensor_parallel_size=ranks)
    if size == ranks:
        found["CQIL"] = groups, Layout(group_parallel_size=ranks)
    if ranks > 2 and ranks // 2 <= shape.heads:
        found["CQIL × TP"] = pairs, Layout(group_parallel_size=2, tensor_parallel_size=ranks // 2)
    kept = [round(i * shape.layers / groups.depth) for i in range(int(groups.depth))]
    found[REMOVAL] = kept_layers_plan(shape.layers, kept), ONE_DEVICE
    return found


def grouped_plan(layers: int, size: int) -> LayerPlan:
    """CQIL's share of the layers in groups of `size`."""
    start, end = (round(share * layers) for share in GROUPED[size])
    return uniform_plan(layers, start, start + (end - start) // size * size, size)


def latency_lines(
    shape: ModelShape, ranks: int, machine: Machine, work: StepWorkload
) -> dict[str, LatencyLine]:
    """Name -> seconds a token, for every latency."""
    found = {}
    for name, (plan, layout) in parallel_methods(shape, ranks).items():
        free = predict_step(plan, layout, shape, machine.with_latency(0.0), work)
        found[name] = LatencyLine(free.total_s, free.ledger.collectives + free.ledger.messages)
    return found


def break_even_s(slow_links: LatencyLine, fast_links: LatencyLine) -> float:
    """The latency above which the first is faster; 0 where it always is, infinity where never."""
    steeper, ahead = fast_links.slope - slow_links.slope, slow_links.fixed_s - fast_links.fixed_s
    if ahead <= 0:
        return 0.0
    return ahead / steeper if steeper > 0 else float("inf")

"""What to choose on two devices, by the cost model: nothing here was measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.cost_model.break_even import REMOVAL, latency_lines
from benchmarks.cost_model.fastest_methods import MACHINE
from benchmarks.cost_model.machine import load_machine, presets
from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.step_time import dense_s
from benchmarks.cost_model.step_workload import StepWorkload
from reports.answers.answer import Choice
from reports.data.number_format import times

SIZE, RANKS = "LLaMA-7B", 2
LINKS = {
    "Two devices, fast links": ("h100-nvlink", "NVLink"),
    "Two devices, slow links": ("ethernet-25g", "25 Gbit/s Ethernet"),
}
"""Situation -> the preset whose latency of a message it takes, and its name."""
NAMES = {
    "LP": "pairs inside tensor parallelism",
    "TP": "tensor parallelism",
    "CQIL": "CQIL in pairs",
}
"""Method of the break-even map -> its name for readers."""


def projected_choices() -> Iterator[Choice]:
    """A row for each kind of link, batch 1; removal on one device stands beside it."""
    machine, shape = load_machine(MACHINE), SHAPES[SIZE]
    dense = dense_s(shape, machine)
    lines = latency_lines(shape, RANKS, machine, StepWorkload(batch=1))
    for situation, (preset, link) in LINKS.items():
        alpha_s = np.array(1e-6 * presets()[preset].all_reduce[RANKS].alpha_us)
        speeds = {name: dense / float(line.at(alpha_s)) for name, line in lines.items()}
        removal = speeds.pop(REMOVAL)
        ordered = sorted(speeds, key=lambda name: -speeds[name])
        listed = ", ".join(f"{NAMES.get(name, name)} {times(speeds[name])}" for name in ordered)
        best = ordered[0]
        yield Choice(
            situation,
            NAMES.get(best, best) if speeds[best] > 1 else "one device",
            f"As fast as dense on one device: {listed}. Removal to the same depth on one device: "
            f"{times(removal)}; what it loses at this size was not measured.",
            f"projected: {SIZE} on {machine.title}, messages by {link}, batch 1",
        )

"""The fastest method on p devices by message latency and model size: a projection, not measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.cost_model.break_even import FULL_DEPTH_METHODS, REMOVAL, latency_lines
from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.step_workload import StepWorkload

MACHINE = "h100-nvlink"
"""Preset that gives the memory bandwidth and the compute of the map's devices."""
ALPHA_S = np.geomspace(1e-6, 3e-3, 121)
"""Latencies of a message, in seconds."""
RANKS, BATCHES = (2, 4, 8), (1, 16)
SIZES = (
    "SmolLM2-135M",
    "SmolLM2-360M",
    "Llama-3.2-1B",
    "Llama-3.2-3B",
    "LLaMA-7B",
    "LLaMA-13B",
    "LLaMA-33B",
    "LLaMA-65B",
)


class FastestMethods(NamedTuple):
    """What is fastest for each model size and message latency; each array is [sizes, latencies]."""

    method: np.ndarray
    """Index into FULL_DEPTH_METHODS of the fastest method that keeps every layer."""
    removal_wins: np.ndarray
    """Whether removal is faster than all methods that keep every layer."""
    grouping_wins: np.ndarray
    """Whether CQIL, alone or with tensor parallelism, is faster than tensor parallelism."""


Panels = dict[tuple[int, int], FastestMethods]
"""(ranks, batch) -> the fastest methods there."""


def fastest_panels(machine: Machine) -> Panels:
    """All panels of the map."""
    return {(ranks, batch): fastest(ranks, batch, machine) for batch in BATCHES for ranks in RANKS}


def fastest(ranks: int, batch: int, machine: Machine) -> FastestMethods:
    """Compares the methods on so many ranks, for every model of SIZES and latency of ALPHA_S."""
    shape = (len(SIZES), len(ALPHA_S))
    method = np.zeros(shape, dtype=int)
    removal_wins, grouping_wins = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    impossible = np.full(len(ALPHA_S), np.inf)
    for row, size in enumerate(SIZES):
        lines = latency_lines(SHAPES[size], ranks, machine, StepWorkload(batch=batch))
        seconds = np.array(
            [
                lines[name].at(ALPHA_S) if name in lines else impossible
                for name in FULL_DEPTH_METHODS
            ]
        )
        method[row] = seconds.argmin(axis=0)
        removal_wins[row] = lines[REMOVAL].at(ALPHA_S) < seconds.min(axis=0)
        grouping_wins[row] = seconds[2:].min(axis=0) < seconds[0]
    return FastestMethods(method, removal_wins, grouping_wins)

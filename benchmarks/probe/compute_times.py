"""What a rank measures of its compute: copies, reads, matrix products, kernel launches.

Shape suffixes: N elements, R x C a matrix that is read, M x M matrices that are multiplied.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.probe.rank_samples import (
    ProbeDevice,
    ProbeEffort,
    Times,
    captured,
    repeat,
    time_in_turn,
    wait_in_turn,
)

READ_COLUMNS = 1024
"""Columns of the matrix that is read."""


@torch.inference_mode()
def time_throughputs(
    rank: int, active_ranks: int, device: ProbeDevice, effort: ProbeEffort
) -> dict[str, Times]:
    """Seconds of a copy, a read and a product on each of the first `active_ranks` at once."""
    if rank >= active_ranks:
        wait_in_turn(3, effort.rounds)
        return {}
    weights_RC = device.ones(device.elements(effort.large_bytes) // READ_COLUMNS, READ_COLUMNS)
    target_RC, x_C = torch.empty_like(weights_RC), weights_RC[0].clone()
    square_MM = device.ones(effort.matmul_size, effort.matmul_size)
    calls: dict[str, Callable[[], object]] = {
        "copy": lambda: target_RC.copy_(weights_RC),
        "read": lambda: torch.mv(weights_RC, x_C),
        "matmul": lambda: torch.mm(square_MM, square_MM),
    }
    return time_in_turn(calls, device.torch_device, effort.rounds)


@torch.inference_mode()
def time_launches(rank: int, mode: str, device: ProbeDevice, effort: ProbeEffort) -> Times:
    """Seconds of one addition to one number, in a row of them."""
    x_N = torch.ones(1, device=device.torch_device)

    def add() -> None:
        x_N.add_(1)

    def add_eagerly() -> None:
        repeat(effort.repeats, add)

    graph = mode == "cuda_graph"
    call = captured(device.torch_device, effort.repeats, add) if graph else add_eagerly
    times = time_in_turn({mode: call}, device.torch_device, effort.rounds)
    return [seconds / effort.repeats for seconds in times[mode]]

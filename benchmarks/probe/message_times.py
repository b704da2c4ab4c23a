"""What ranks measure of messages between them: back to back, captured, or between products.

Shape suffixes: N elements of a message, R x C a matrix that is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle

import torch
import torch.distributed as dist

from benchmarks.probe.rank_samples import (
    ProbeDevice,
    ProbeEffort,
    Times,
    captured,
    repeat,
    time_in_turn,
)

LOAD_ONLY = "load_only"
"""Name of the times of the products alone, beside those of the mode `under_load`."""
LOAD_COLUMNS = 1024
"""Columns of the matrices that are read between messages."""


@torch.inference_mode()
def time_messages(
    rank: int, kind: str, size: int, modes: list[str], device: ProbeDevice, effort: ProbeEffort
) -> dict[str, Times]:
    """Mode -> seconds of one message of `size` bytes.

    The mode `under_load` includes the products between messages; `load_only` are these alone.
    """
    send = _sender(rank, kind, device.ones(device.elements(size)))
    calls: dict[str, Callable[[], object]] = {}
    for mode in modes:
        if mode == "eager":
            calls[mode] = partial(repeat, effort.repeats, send)
        elif mode == "cuda_graph":
            calls[mode] = captured(device.torch_device, effort.repeats, send)
        else:
            load = _load(device, effort)
            calls[mode] = partial(repeat, effort.repeats, load, send)
            calls[LOAD_ONLY] = partial(repeat, effort.repeats, load)
    times = time_in_turn(calls, device.torch_device, effort.rounds)
    return {
        mode: [seconds / effort.repeats for seconds in mode_times]
        for mode, mode_times in times.items()
    }


def _sender(rank: int, kind: str, message_N: torch.Tensor) -> Callable[[], object]:
    """Sends one message. Ranks 0 and 1 take turns as its source, so that none runs ahead."""
    if kind == "all_reduce":
        return lambda: dist.all_reduce(message_N, op=dist.ReduceOp.MAX)
    sources = cycle((0, 1))

    def send() -> None:
        source = next(sources)
        if kind == "broadcast":
            dist.broadcast(message_N, src=source)
        elif rank == source:
            dist.send(message_N, 1 - source)
        elif rank == 1 - source:
            dist.recv(message_N, source)

    return send


def _load(device: ProbeDevice, effort: ProbeEffort) -> Callable[[], object]:
    """One matrix-vector product a call, over matrices that together are larger than all caches."""
    rows = max(1, device.elements(effort.load_bytes) // LOAD_COLUMNS)
    matrices = max(1, effort.large_bytes // effort.load_bytes)
    weights_RC = cycle([device.ones(rows, LOAD_COLUMNS) for _ in range(matrices)])
    x_C = device.ones(LOAD_COLUMNS)
    return lambda: torch.mv(next(weights_RC), x_C)

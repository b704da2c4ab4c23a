"""How a rank takes its samples: effort, device, and timed calls in turn. Needs torch only."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

from cqil.checkpoint.tensor_reader import DTYPES
from cqil.engine.cuda_graph import capture_cuda_graph
from cqil.engine.parallel.rank_device import rank_device
from cqil.engine.step_clock import synchronized_time

Name = TypeVar("Name", bound=Hashable)
Times = list[float]
"""Seconds by round."""


@dataclass(frozen=True, kw_only=True)
class ProbeEffort:
    """How much is measured; small in tests."""

    rounds: int
    repeats: int
    """Messages, or small operations, of one sample."""
    large_bytes: int
    """Size of a copy or a read: larger than every cache."""
    matmul_size: int
    """Side of the square matrices that are multiplied."""
    load_bytes: int
    """Bytes read between two messages, as much as part of a layer in a decode step."""
    steps: int
    """Decoded tokens of one sample."""
    context: int
    """Tokens of the prompt before them."""


DEFAULT_EFFORT = {
    "cpu": ProbeEffort(
        rounds=7,
        repeats=20,
        large_bytes=2**28,
        matmul_size=1024,
        load_bytes=2**23,
        steps=8,
        context=32,
    ),
    "cuda": ProbeEffort(
        rounds=15,
        repeats=100,
        large_bytes=2**30,
        matmul_size=8192,
        load_bytes=2**27,
        steps=16,
        context=128,
    ),
}
"""Type of device -> effort."""


@dataclass(frozen=True)
class ProbeDevice:
    """Where a rank measures: type of device, and dtype."""

    device: str
    dtype: str

    @property
    def torch_device(self) -> torch.device:
        """The device of this rank."""
        return torch.device(rank_device(self.device))

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of the tensors."""
        return DTYPES[self.dtype]

    def elements(self, size: int) -> int:
        """How many numbers fit into `size` bytes."""
        return size // self.torch_dtype.itemsize

    def ones(self, *shape: int) -> torch.Tensor:
        """A tensor on the device of this rank."""
        return torch.ones(*shape, device=self.torch_device, dtype=self.torch_dtype)


def time_in_turn(
    calls: Mapping[Name, Callable[[], object]],
    device: torch.device,
    rounds: int,
    prepare: Callable[[Name], object] = lambda name: None,
) -> dict[Name, Times]:
    """Seconds of each call by round; all ranks start a call together, after `prepare`.

    The first round warms up and is not kept.
    """
    times: dict[Name, Times] = {name: [] for name in calls}
    for _ in range(1 + rounds):
        for name, call in calls.items():
            prepare(name)
            dist.barrier()
            start = synchronized_time(device)
            call()
            times[name].append(synchronized_time(device) - start)
    return {name: seconds[1:] for name, seconds in times.items()}


def wait_in_turn(calls: int, rounds: int) -> None:
    """What an idle rank does while others run `time_in_turn` with so many calls."""
    for _ in range((1 + rounds) * calls):
        dist.barrier()


def repeat(times: int, *actions: Callable[[], object]) -> None:
    """Calls the actions in order, so many times."""
    for _ in range(times):
        for action in actions:
            action()


def captured(
    device: torch.device, times: int, action: Callable[[], object]
) -> Callable[[], object]:
    """Replays a CUDA graph that holds so many calls of an action, one after another."""
    graph, _ = capture_cuda_graph(lambda: repeat(times, action), device)
    return graph.replay

"""Captures work into a CUDA graph, after warm-up on a side stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")
WARMUP_CALLS = 3
"""Libraries allocate their workspaces in the first calls, which no capture may contain."""


def capture_cuda_graph(
    call: Callable[[], T], device: torch.device
) -> tuple[torch.cuda.CUDAGraph, T]:
    """The graph, and the output of `call`, which each replay of the graph overwrites.

    `call` runs a few times before the capture, so it must be safe to repeat.
    """
    with torch.cuda.device(device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP_CALLS):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = call()
    return graph, output

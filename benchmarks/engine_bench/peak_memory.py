"""Peak memory of each rank while it loads an engine and generates. Linux, or CUDA.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.latency.backends.engine import PROCESS_GROUP_BACKENDS
from benchmarks.latency.engine_spec import EngineSpec
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.step_clock import step_times
from cqil.modeling.checkpoints import read_config


def peak_memory_of_ranks(
    spec: EngineSpec, prompt_BT: torch.Tensor, new_tokens: int
) -> list[tuple[int, int]]:
    """(peak, held) bytes of each rank: the most it held while it loaded and generated, and its
    weights and cache.

    Measured in new processes, beyond what they hold before.
    """
    backend = PROCESS_GROUP_BACKENDS[spec.device]
    with WorkerGroup(spec.options.layout.world_size, backend=backend) as workers:
        return workers.run(_peak_of_rank, spec, prompt_BT, new_tokens)


def _peak_of_rank(
    rank: int, spec: EngineSpec, prompt_BT: torch.Tensor, new_tokens: int
) -> tuple[int, int]:
    _warm_up(spec)
    with PeakMemory(torch.device(spec.device)) as peak:
        engine = spec.load(rank)
        step_times(engine, prompt_BT, new_tokens)
    return peak.bytes, engine.weight_bytes + engine.cache.nbytes


def _warm_up(spec: EngineSpec) -> None:
    """Imports, workspaces and connections take memory once, whatever the engine then holds."""
    read_config(spec.path)
    square = torch.ones(1, 512, 512, device=spec.device)
    square = torch.bmm(square, square) + square[0] @ square[0]
    torch.nn.functional.scaled_dot_product_attention(square, square, square)
    dist.all_reduce(square)


class PeakMemory:
    """The most bytes that are taken inside the `with` block, beyond those held before it.

    On CUDA those of PyTorch's allocator, else resident anonymous and file pages (Linux).
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before = torch.cuda.memory_allocated(self.device)
        else:
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak
            self._before = _process_status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device)
        else:
            peak = _process_status("VmHWM")
        self.bytes = peak - self._before


def _process_status(field: str) -> int:
    """Bytes, from the kernel's record of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: has no {field}; memory is read on Linux only")

"""Peak memory of each rank while it loads an engine and generates. Linux, or CUDA.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.latency.engine_spec import EngineSpec
from cqil.checkpoint import open_checkpoint
from cqil.engine.options import PROCESS_GROUP_BACKENDS
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.step_clock import step_times


def peak_memory_of_ranks(
    spec: EngineSpec, prompt_BT: torch.Tensor, new_tokens: int
) -> list[tuple[int, int]]:
    """(peak, kept) bytes of each rank.

    Peak is the largest memory while the rank loads and generates; kept is that of its weights and
    cache. Measured in new processes, without the memory that they have before.
    """
    backend = PROCESS_GROUP_BACKENDS[spec.device]
    with WorkerGroup(spec.options.layout.world_size, backend=backend) as workers:
        return workers.run(_peak_of_rank, spec, prompt_BT, new_tokens)


def _peak_of_rank(
    rank: int, spec: EngineSpec, prompt_BT: torch.Tensor, new_tokens: int
) -> tuple[int, int]:
    """(peak, kept) bytes of this rank."""
    _warm_up(spec)
    with PeakMemory(torch.device(spec.device)) as peak:
        engine = spec.load(rank)
        step_times(engine, prompt_BT, new_tokens)
    return peak.bytes, engine.weight_bytes + engine.cache.nbytes


def _warm_up(spec: EngineSpec) -> None:
    """Takes the memory of imports, workspaces and connections, which no engine causes."""
    open_checkpoint(spec.path)
    square = torch.ones(1, 512, 512, device=spec.device)
    square = torch.bmm(square, square) + square[0] @ square[0]
    torch.nn.functional.scaled_dot_product_attention(square, square, square)
    dist.all_reduce(square)


class PeakMemory:
    """Largest memory in a `with` block, in bytes, without that in use before the block.

    On CUDA it is that of the allocator of PyTorch, else the resident memory (Linux).
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
    """Bytes of a field that the kernel reports for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: has no {field}; memory is read on Linux only")

"""Which device a rank computes on, and what ranks communicate with there."""

from __future__ import annotations

import torch
import torch.distributed as dist

from cqil.engine.options import PROCESS_GROUP_BACKENDS, ProcessGroupBackend


def device_type_of(device: str) -> str:
    """The device, with `auto` decided: CUDA where this process can have it.

    Within a process group it is the device that the group communicates from. Raises ValueError
    where CUDA is asked for and absent.
    """
    if device == "auto":
        if dist.is_available() and dist.is_initialized():
            return "cuda" if dist.get_backend() == PROCESS_GROUP_BACKENDS["cuda"] else "cpu"
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device: cuda, but this machine has no CUDA device; use cpu")
    return device


def rank_device(device: str) -> str:
    """`cpu`, or the CUDA device of this process, by its number."""
    device = device_type_of(device)
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def default_process_group(world_size: int) -> ProcessGroupBackend:
    """NCCL where every rank has a CUDA device, else gloo."""
    on_cuda = torch.cuda.is_available() and torch.cuda.device_count() >= world_size
    return PROCESS_GROUP_BACKENDS["cuda" if on_cuda else "cpu"]

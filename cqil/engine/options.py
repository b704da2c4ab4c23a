"""How an engine runs a plan, as one set of options. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.errors import check_known
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule

ExecutionMode = Literal["eager", "cuda_graph", "compiled"]
CommunicatorName = Literal["default", "star", "symm_mem", "none"]
ProcessGroupBackend = Literal["gloo", "nccl"]
BLOCKING_COMMUNICATORS = ("star", "symm_mem")
"""Those that return once the sum is there."""
PROCESS_GROUP_BACKENDS: dict[str, ProcessGroupBackend] = {"cpu": "gloo", "cuda": "nccl"}
"""Type of device -> library that ranks communicate with."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of `Engine`, which checks them when it is made."""

    layout: Layout = ONE_DEVICE
    """How the plan is spread over ranks."""
    communicator: CommunicatorName = "default"
    """What sums tensors over ranks: all-reduce of NCCL or gloo (`default`), the first of the ranks
    (`star`), one-shot all-reduce over symmetric memory (`symm_mem`), or nothing (`none`)."""
    mode: ExecutionMode = "eager"
    """How decode steps run: `eager`, replayed as a `cuda_graph`, or `compiled`."""
    early_exit: EarlyExitRule | None = None
    """When a decoded token skips the remaining stages; None runs all stages."""

    def check(self, device_type: str) -> None:
        """Raises ValueError where the device, or another option, rules an option out."""
        check_execution_mode(self.mode, device_type)
        check_communicator(self.communicator, device_type)
        check_early_exit(self.early_exit, self.layout, self.mode)


def check_execution_mode(mode: str, device_type: str) -> None:
    """Raises ValueError where the mode is unknown or the device cannot run it."""
    check_known("mode", mode, get_args(ExecutionMode))
    if mode == "cuda_graph" and device_type != "cuda":
        raise ValueError(f"mode: 'cuda_graph' needs a CUDA device, not {device_type}; use eager")


def check_rope_type(rope_type: str, mode: str) -> None:
    """Raises ValueError for rotary positions that a step of fixed shape cannot compute."""
    if rope_type == "dynamic" and mode != "eager":
        raise ValueError(
            f"mode: {mode!r}, but rope_type dynamic looks at the length of the text in each step; "
            "use eager"
        )


def check_communicator(name: str, device_type: str) -> None:
    """Raises ValueError where the communicator is unknown or the device does not offer it."""
    check_known("communicator", name, get_args(CommunicatorName))
    if name == "symm_mem" and device_type != "cuda":
        raise ValueError(
            f"communicator: 'symm_mem' needs CUDA devices, not {device_type}; use default"
        )


def check_ladder(plans: Iterable[LayerPlan], layout: Layout, communicator: str) -> None:
    """Raises ValueError for a ladder over sums that no computation can run beside."""
    if layout.tensor_parallel_size == 1 or communicator not in BLOCKING_COMMUNICATORS:
        return
    if any(plan.ladder is not None for plan in plans):
        raise ValueError(
            f"communicator: {communicator!r} waits for each sum, and a ladder computes while sums "
            "travel; use default"
        )


def check_early_exit(rule: EarlyExitRule | None, layout: Layout, mode: ExecutionMode) -> None:
    """Raises ValueError for early exit on several ranks, or in another mode than eager."""
    if rule is None or (layout.world_size == 1 and mode == "eager"):
        return
    raise ValueError(
        "early_exit: the stages that run are known only at run time, which "
        f"{layout.world_size} ranks in mode {mode} do not support; use one rank and mode eager"
    )

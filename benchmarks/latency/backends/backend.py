"""The interface of backends. To add one, put a file with a `Backend` subclass into this folder.

Modules of this folder import torch only within functions, so that the workflow plans jobs fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.config.sections import REFERENCE, ExecutionMode, LatencySection
from benchmarks.results.schema_parts import BackendRecord

if TYPE_CHECKING:
    from benchmarks.latency.runners import TimedRunner
    from benchmarks.models.variants import Variant
    from benchmarks.runtime.device import Runtime
    from cqil.engine.parallel.layout import Layout
    from cqil.engine.parallel.worker_group import WorkerGroup


@dataclass
class TimingResources:
    """What the runners of one session share."""

    device: str
    runtime: Runtime
    stack: ExitStack
    """Ends the worker groups."""
    shared_weights: dict[Any, Any] = field(default_factory=dict)
    """Packed weights of the engines in this process."""
    worker_groups: dict[int, WorkerGroup] = field(default_factory=dict)
    """Number of ranks -> worker group."""


class Backend(ABC):
    """One way to run variants."""

    kind: ClassVar[str]
    """Its name in `latency.backends`."""
    dense_only: ClassVar[bool] = False
    """It runs the dense model and no other variant."""
    ranks: int = 1
    mode: ExecutionMode = "eager"

    @classmethod
    @abstractmethod
    def configured(cls, latency: LatencySection) -> list[Backend]:
        """The backends of this kind that a configuration times."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The folder of its results."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short description for readers."""

    @property
    def has_aa_control(self) -> bool:
        """Whether it times dense twice, as an A/A control."""
        return False

    @property
    def reference(self) -> str:
        """Name of the backend by whose dense time its times are divided."""
        return self.name

    @abstractmethod
    def check(self, variant: Variant, device: str) -> None:
        """Raises UnavailableError if the variant cannot run on this backend and machine."""

    @abstractmethod
    def layout(self, variant: Variant) -> Layout:
        """How the ranks divide the variant."""

    @abstractmethod
    def start(self, key: str, variant: Variant, resources: TimingResources) -> TimedRunner:
        """Loads the variant; `key` is the name of the runner within the session."""

    def threads(self, runtime: Runtime) -> int:
        """PyTorch threads of each rank."""
        return max(1, runtime.threads // self.ranks)

    def runs(self, variant: str) -> bool:
        """Whether it times the variant of that name."""
        return variant == REFERENCE or not self.dense_only

    def record(self) -> BackendRecord:
        """Its description in results."""
        return BackendRecord(
            name=self.name,
            kind=self.kind,
            label=self.label,
            ranks=self.ranks,
            mode=self.mode,
            reference=self.reference,
            dense_only=self.dense_only,
        )

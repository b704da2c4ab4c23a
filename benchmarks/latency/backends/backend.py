"""What a backend is. To add one, drop a file with a `Backend` subclass into this folder.

Modules of this folder import torch only inside functions, so that the workflow plans its jobs fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.config.sections import REFERENCE, LatencySection
from benchmarks.results.schema import BackendRecord

if TYPE_CHECKING:
    from benchmarks.latency.runners import TimedRunner
    from benchmarks.models.variants import Variant
    from benchmarks.runtime.device import Runtime
    from cqil.engine.parallel.layout import Layout
    from cqil.engine.parallel.worker_group import WorkerGroup


@dataclass
class TimingResources:
    """What the runners of one session share; `stack` ends it all."""

    device: str
    runtime: Runtime
    stack: ExitStack
    shared_weights: dict[Any, Any] = field(default_factory=dict)
    """Packed weights of the engines in this process."""
    worker_groups: dict[int, WorkerGroup] = field(default_factory=dict)
    """By number of ranks."""


class Backend(ABC):
    """One way to run a variant. Its results lie in a folder of its `name`."""

    kind: ClassVar[str]
    """What `latency.backends` lists."""
    ranks: int = 1
    mode: str = "eager"
    dense_only: bool = False
    """It runs the dense model and no other variant."""
    has_aa_control: bool = False
    """Dense is timed twice, as an A/A control."""

    @classmethod
    @abstractmethod
    def configured(cls, latency: LatencySection) -> list[Backend]:
        """The backends of this kind that a configuration asks for."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Folder of its results."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What ran a variant, in a few words for readers."""

    @property
    def reference(self) -> str:
        """Name of the backend whose dense time its times are divided by."""
        return self.name

    @abstractmethod
    def check(self, variant: Variant, device: str) -> None:
        """Raises UnavailableError where this machine, or any, cannot run the variant."""

    @abstractmethod
    def layout(self, variant: Variant) -> Layout:
        """How the variant is spread over ranks."""

    @abstractmethod
    def start(self, key: str, variant: Variant, resources: TimingResources) -> TimedRunner:
        """Loads the variant; `key` names the runner within the session."""

    def threads(self, runtime: Runtime) -> int:
        """PyTorch threads of each rank."""
        return max(1, runtime.threads // self.ranks)

    def runs(self, variant: str) -> bool:
        """Whether it is meant to run the variant of that name."""
        return variant == REFERENCE or not self.dense_only

    def record(self) -> BackendRecord:
        """Its description, as results carry it."""
        return BackendRecord(
            name=self.name,
            kind=self.kind,
            label=self.label,
            ranks=self.ranks,
            mode=self.mode,
            reference=self.reference,
            dense_only=self.dense_only,
        )

"""`generate` of Transformers with its default options, for the dense model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmarks.config.sections import LatencySection
from benchmarks.latency.backends.backend import Backend, TimingResources
from benchmarks.latency.backends.engine import EngineBackend
from cqil.engine.parallel.layout import ONE_DEVICE, Layout

if TYPE_CHECKING:
    from benchmarks.latency.runners import TimedRunner
    from benchmarks.models.variants import Variant


@dataclass(frozen=True)
class TransformersBackend(Backend):
    """The speed that a user has without this suite."""

    kind: ClassVar[str] = "transformers"
    dense_only: ClassVar[bool] = True

    @classmethod
    def configured(cls, latency: LatencySection) -> list[Backend]:
        """Always one."""
        return [cls()]

    @property
    def name(self) -> str:
        """Its kind."""
        return "transformers"

    @property
    def label(self) -> str:
        """What runs: `generate`."""
        return "generate of Transformers"

    @property
    def reference(self) -> str:
        """The engine on one device."""
        return EngineBackend().name

    def check(self, variant: Variant, device: str) -> None:
        """Every device can run it."""

    def layout(self, variant: Variant) -> Layout:
        """One device."""
        return ONE_DEVICE

    def start(self, key: str, variant: Variant, resources: TimingResources) -> TimedRunner:
        """Loads the dense model."""
        from benchmarks.latency.runners import TransformersRunner
        from benchmarks.models.load_model import load_dense

        runtime = resources.runtime
        return TransformersRunner(load_dense(variant.manifest, resources.device, runtime.dtype))

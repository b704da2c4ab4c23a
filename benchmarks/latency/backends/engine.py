"""The engine of `cqil`: on one device or several ranks; eager, as a CUDA graph, or compiled.

On one device the layers of a group run fused in a few matrix products; on several ranks they run at
the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.config.sections import ExecutionMode, LatencySection
from benchmarks.latency.backends.backend import Backend, TimingResources
from benchmarks.runtime.errors import UnavailableError
from cqil.engine.options import PROCESS_GROUP_BACKENDS, check_early_exit
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.methods.method import Parallelism
from cqil.plan import LayerPlan

if TYPE_CHECKING:
    from benchmarks.latency.engine_spec import EngineSpec
    from benchmarks.latency.runners import TimedRunner
    from benchmarks.models.variants import Variant

MODE_LABELS = {"cuda_graph": "in a CUDA graph", "compiled": "compiled"}
"""Mode of execution -> how labels describe it."""


@dataclass(frozen=True)
class EngineBackend(Backend):
    """One device, or ranks in the layout of the variant's method."""

    kind: ClassVar[str] = "engine"
    ranks: int = 1
    mode: ExecutionMode = "eager"

    @classmethod
    def configured(cls, latency: LatencySection) -> list[Backend]:
        """One device and each number of ranks, in each mode."""
        return [cls(ranks, mode) for mode in latency.modes for ranks in (1, *latency.ranks)]

    @property
    def name(self) -> str:
        """Such as engine, ranks-2 or engine-compiled."""
        base = "engine" if self.ranks == 1 else f"ranks-{self.ranks}"
        return base if self.mode == "eager" else f"{base}-{self.mode}"

    @property
    def label(self) -> str:
        """Such as: 2 ranks, compiled."""
        base = "one device" if self.ranks == 1 else f"{self.ranks} ranks"
        return base if self.mode == "eager" else f"{base}, {MODE_LABELS[self.mode]}"

    @property
    def reference(self) -> str:
        """The backend of one device in this mode."""
        return EngineBackend(1, self.mode).name

    @property
    def has_aa_control(self) -> bool:
        """On one device, and on ranks in eager mode, where messages add noise of their own."""
        return self.ranks == 1 or self.mode == "eager"

    def check(self, variant: Variant, device: str) -> None:
        """Raises UnavailableError where mode, ranks, layout or early exit cannot be had."""
        from benchmarks.runtime.device import check_ranks

        if self.mode != "eager" and device != "cuda":
            raise UnavailableError(
                f"modes: {self.mode} is timed on CUDA, but device is {device}; use eager"
            )
        check_ranks(self.ranks, device)
        try:
            check_early_exit(variant.early_exit, self.layout(variant), self.mode)
        except ValueError as error:
            raise UnavailableError(str(error)) from None

    def layout(self, variant: Variant) -> Layout:
        """One device, or that of `layout_for`. Raises UnavailableError where ranks do not fit."""
        if self.ranks == 1:
            return ONE_DEVICE
        from cqil.checkpoint.config_file import read_config

        heads = read_config(Path(variant.manifest["path"])).num_attention_heads
        return layout_for(variant.plan, self.ranks, heads, variant.parallelism)

    def start(self, key: str, variant: Variant, resources: TimingResources) -> TimedRunner:
        """Loads an engine here, or one on each rank of a worker group of the session."""
        from benchmarks.latency.runners import SingleDeviceRunner, load_on_ranks
        from benchmarks.latency.shared_weights import share_weights
        from cqil.engine.parallel.worker_group import WorkerGroup

        spec, threads = self._spec(variant, resources), self.threads(resources.runtime)
        if self.ranks == 1:
            engine = share_weights(spec.load(), spec.edits, resources.shared_weights)
            return SingleDeviceRunner(engine, spec, threads)
        if self.ranks not in resources.worker_groups:
            workers = WorkerGroup(
                self.ranks, backend=PROCESS_GROUP_BACKENDS[resources.device], threads=threads
            )
            resources.worker_groups[self.ranks] = resources.stack.enter_context(workers)
        return load_on_ranks(resources.worker_groups[self.ranks], key, spec)

    def _spec(self, variant: Variant, resources: TimingResources) -> EngineSpec:
        from benchmarks.latency.engine_spec import EngineSpec
        from cqil.engine.options import EngineOptions

        return EngineSpec(
            path=variant.manifest["path"],
            plan=variant.schedule or variant.plan,
            edits=variant.edits,
            options=EngineOptions(
                layout=self.layout(variant), mode=self.mode, early_exit=variant.early_exit
            ),
            device=resources.device,
            dtype=resources.runtime.dtype,
        )


def layout_for(plan: LayerPlan, ranks: int, heads: int, parallelism: Parallelism) -> Layout:
    """The layout of the variant's method.

    `group`: the layers of the largest group run side by side, and tensor parallelism uses further
    ranks. That is CQIL for a plan with groups, and tensor parallelism for one without. All ranks
    share each layer where it is `tensor`, and where their number is no multiple of the group's.
    Raises UnavailableError if more ranks than `heads`, the attention heads of a layer, would do so.
    """
    group_size = max(map(len, (*plan.groups, *plan.prefill_groups)))
    if parallelism == "tensor" or ranks % group_size:
        group_size = 1
    tensor_parallel_size = ranks // group_size
    if tensor_parallel_size > heads:
        raise UnavailableError(
            f"ranks: {ranks}, so that {tensor_parallel_size} share each layer, but a layer has "
            f"{heads} attention heads; use fewer"
        )
    return Layout(group_parallel_size=group_size, tensor_parallel_size=tensor_parallel_size)

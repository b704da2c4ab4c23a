"""`make bench`: times the engine and its rivals, all systems interleaved in one session.

`python -m reports bench FILE` writes tables of the ratios. Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.config.sections import Workload
from benchmarks.engine_bench.collective_under_load import collective_cost_under_load
from benchmarks.engine_bench.peak_memory import peak_memory_of_ranks
from benchmarks.engine_bench.systems import (
    GROUP_PARALLEL,
    TRANSFORMERS,
    System,
    engine_systems,
)
from benchmarks.latency.engine_spec import EngineSpec
from benchmarks.latency.interleaved_rounds import random_prompt, run_interleaved
from benchmarks.latency.rank_engines import RankUsage
from benchmarks.latency.runners import (
    MultiRankRunner,
    SingleDeviceRunner,
    TimedRunner,
    TransformersRunner,
    load_on_ranks,
)
from benchmarks.models.load_model import load_dense
from benchmarks.results.engine_bench_record import (
    BenchRank,
    BenchSystem,
    CountedMessage,
    EngineBench,
)
from benchmarks.results.provenance import provenance
from benchmarks.results.schema_parts import Model
from benchmarks.runtime.device import Runtime, device_count
from benchmarks.runtime.machine_monitor import MachineMonitor
from cqil.engine.options import PROCESS_GROUP_BACKENDS
from cqil.engine.parallel.communication_ledger import CommunicationLedger
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.plan import dense_plan

MEASURED_PEAKS = ("cqil-p2", "tp2")
"""Systems whose peak memory is measured."""
TIMED_UNDER_LOAD = ("cqil-p2", "tp2")
"""Systems under whose load messages are timed."""


def run_engine_bench(manifest: dict[str, Any], workload: Workload, runtime: Runtime) -> EngineBench:
    """Times every system; systems of two ranks only if the machine has two devices."""
    device = runtime.start()
    dense = load_dense(manifest, device, runtime.dtype)
    prompt_BT = random_prompt(
        dense.config.vocab_size, workload.batch, workload.prompt_tokens, runtime.seed
    )
    systems = _available(engine_systems(manifest["num_layers"]), device)
    specs = {
        name: _spec(system, manifest["path"], device, runtime) for name, system in systems.items()
    }
    with ExitStack() as stack:
        runners: dict[str, TimedRunner] = {TRANSFORMERS: TransformersRunner(dense)}
        for name, spec in specs.items():
            if spec.options.layout.world_size == 1:
                runners[name] = SingleDeviceRunner(spec.load(), spec, runtime.threads)
        rank_runners = _load_on_ranks(specs, device, stack)
        usage = {name: runner.count_usage(prompt_BT) for name, runner in rank_runners.items()}
        runners |= rank_runners
        with MachineMonitor() as monitor:
            times = run_interleaved(runners, prompt_BT, workload, runtime.seed).samples
        message_seconds = {
            name: collective_cost_under_load(
                rank_runners[name].workers, name, prompt_BT, workload.rounds
            )
            for name in TIMED_UNDER_LOAD
            if name in rank_runners
        }
    peaks = _peaks(specs, rank_runners, prompt_BT)
    systems[TRANSFORMERS] = System(dense_plan(manifest["num_layers"]))
    return EngineBench(
        model=Model.of_manifest(manifest),
        workload=workload.model_dump(),
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        machine_state=monitor.machine_state(),
        systems=[
            _system_record(name, systems[name], times[name], usage.get(name, []), peaks.get(name))
            for name in runners
        ],
        message_seconds=message_seconds,
    )


def _spec(system: System, path: str, device: str, runtime: Runtime) -> EngineSpec:
    return EngineSpec(
        path=path,
        plan=system.plan,
        options=system.options,
        device=device,
        dtype=runtime.dtype,
    )


def _available(systems: dict[str, System], device: str) -> dict[str, System]:
    """The systems for which this machine has enough devices."""
    devices = device_count(device)
    return {
        name: system
        for name, system in systems.items()
        if system.options.layout.world_size == 1 or devices >= system.options.layout.world_size
    }


def _load_on_ranks(
    specs: dict[str, EngineSpec], device: str, stack: ExitStack
) -> dict[str, MultiRankRunner]:
    """Name -> runner of every system of two ranks; they share a worker group that `stack` ends."""
    rank_specs = {name: spec for name, spec in specs.items() if spec.options.layout.world_size > 1}
    if not rank_specs:
        return {}
    group = WorkerGroup(GROUP_PARALLEL.world_size, backend=PROCESS_GROUP_BACKENDS[device])
    workers = stack.enter_context(group)
    return {name: load_on_ranks(workers, name, spec) for name, spec in rank_specs.items()}


def _peaks(
    specs: dict[str, EngineSpec],
    rank_runners: dict[str, MultiRankRunner],
    prompt_BT: torch.Tensor,
) -> dict[str, list[int]]:
    """System -> peak bytes of each rank."""
    return {
        name: [peak for peak, _ in peak_memory_of_ranks(specs[name], prompt_BT, 4)]
        for name in MEASURED_PEAKS
        if name in rank_runners
    }


def _system_record(
    name: str,
    system: System,
    samples: list[list[float]],
    usage: list[RankUsage],
    peaks: list[int] | None,
) -> BenchSystem:
    """One system with its samples, and with memory and messages of its ranks."""
    plan, options = system.plan, system.options
    ranks = [
        BenchRank(
            weight_bytes=rank_usage.weight_bytes,
            cache_bytes=rank_usage.cache_bytes,
            step_bytes=rank_usage.step_bytes,
            prefill_messages=_counted_messages(rank_usage.prefill),
            decode_messages=_counted_messages(rank_usage.decode),
            peak_bytes=None if peaks is None else peaks[rank],
        )
        for rank, rank_usage in enumerate(usage)
    ]
    return BenchSystem(
        name=name,
        runs="transformers" if name == TRANSFORMERS else "engine",
        plan=plan.to_dict(),
        slug=plan.slug,
        depth=plan.depth,
        layout=asdict(options.layout),
        communicator=options.communicator,
        mode=options.mode,
        ranks=ranks,
        samples=samples,
    )


def _counted_messages(ledger: CommunicationLedger) -> list[CountedMessage]:
    """The entries of a ledger, sorted."""
    return [(*entry, count) for entry, count in sorted(ledger.entries.items())]

"""`make probe`: the throughput of this machine, and the cost of messages between its ranks.

The cost model reads the result. One CUDA device has no messages. On CPU, ranks share cores and
memory, so throughputs are measured with one active rank and with all of them. Messages are timed
back to back, and between products that read as much as part of a layer, as in a model.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeVar

from benchmarks.cost_model.model_shapes import ModelShape, shape_named
from benchmarks.latency.rank_engines import slowest_rank
from benchmarks.probe.compute_times import time_launches, time_throughputs
from benchmarks.probe.decode_times import load_engines, time_decode_steps
from benchmarks.probe.message_times import LOAD_ONLY, time_messages
from benchmarks.probe.rank_samples import DEFAULT_EFFORT, ProbeDevice, ProbeEffort, Times
from benchmarks.results.probe_record import (
    DecodeStepTimes,
    LaunchTimes,
    MachineProbe,
    MessageTimes,
    ThroughputTimes,
)
from benchmarks.results.provenance import provenance
from benchmarks.runtime.device import Runtime, check_ranks, device_count
from benchmarks.runtime.progress import Progress
from cqil.engine.options import PROCESS_GROUP_BACKENDS
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.plan import LayerPlan, dense_plan, uniform_plan

MESSAGE_KINDS: tuple[Literal["all_reduce", "broadcast", "send"], ...] = (
    "all_reduce",
    "broadcast",
    "send",
)
SIZES = (2**10, 2**12, 2**14, 2**17, 2**20)
"""Bytes of messages: from the hidden state of one token to those of a prompt."""
DEFAULT_SHAPES = {"cpu": ("SmolLM2-135M", 30), "cuda": ("LLaMA-7B", 16)}
"""Device -> model whose decode steps are timed, and how many of its layers."""
Name = TypeVar("Name", bound=Hashable)


def run_probe(
    runtime: Runtime,
    ranks: list[int] | None = None,
    *,
    shape: ModelShape | None = None,
    effort: ProbeEffort | None = None,
    sizes: tuple[int, ...] = SIZES,
) -> MachineProbe:
    """Measures one rank, and each number of `ranks` (default: two, if there are two devices).

    Raises UnavailableError if the machine has fewer devices than ranks.
    """
    device_type = runtime.start()
    device, effort = ProbeDevice(device_type, runtime.dtype), effort or DEFAULT_EFFORT[device_type]
    shape = shape or _default_shape(device_type)
    world_sizes = _world_sizes(ranks, device_type)
    records: dict[str, list[Any]] = {"messages": [], "throughputs": [], "steps": [], "launches": []}
    with Progress("probe", 2 * len(world_sizes), "parts") as progress:
        for world_size in world_sizes:
            backend = PROCESS_GROUP_BACKENDS[device_type]
            threads = max(1, runtime.threads // world_size)
            with WorkerGroup(world_size, backend=backend, threads=threads) as workers:
                records["messages"] += _messages(workers, sizes, device, effort)
                if world_size == 1:
                    records["launches"] += _launches(workers, device, effort)
                progress.update()
                workers.run(load_engines, shape, _plans(shape.layers), device)
                for active_ranks in sorted({1, world_size}):
                    records["throughputs"] += _throughputs(workers, active_ranks, device, effort)
                    records["steps"] += _decode_steps(workers, active_ranks, device, effort)
                progress.update()
    return MachineProbe(
        provenance=provenance(device_type, runtime.dtype, runtime.threads, runtime.seed),
        shape=asdict(shape),
        **records,
    )


def _default_shape(device_type: str) -> ModelShape:
    name, layers = DEFAULT_SHAPES[device_type]
    return shape_named(name).with_layers(layers)


def _world_sizes(ranks: list[int] | None, device_type: str) -> list[int]:
    """One, and the requested numbers of ranks. Raises UnavailableError for too many ranks."""
    counts = ranks if ranks is not None else [2] * (device_count(device_type) >= 2)
    for count in counts:
        check_ranks(count, device_type)
    return sorted({1, *counts})


def _plans(layers: int) -> list[LayerPlan]:
    """Plans of equal bytes in many stages and in few, which differ by their launches."""
    return [dense_plan(layers), *(uniform_plan(layers, 0, layers, size) for size in (2, 4))]


def _modes(device: ProbeDevice) -> list[Literal["eager", "cuda_graph"]]:
    return ["eager", "cuda_graph"] if device.device == "cuda" else ["eager"]


def _messages(
    workers: WorkerGroup, sizes: tuple[int, ...], device: ProbeDevice, effort: ProbeEffort
) -> Iterator[MessageTimes]:
    """Every kind, size and mode; nothing with a single rank."""
    if workers.world_size == 1:
        return
    for kind in MESSAGE_KINDS:
        # A message to one rank is not captured: NCCL pairs it with the call of its peer.
        modes = [*_modes(device)] if kind == "all_reduce" else ["eager"]
        for size in sizes:
            times_by_rank = workers.run(
                time_messages, kind, size, [*modes, "under_load"], device, effort
            )
            participants = times_by_rank[:2] if kind == "send" else times_by_rank
            times = _slowest(participants)
            load_times = times.pop(LOAD_ONLY)
            times["under_load"] = [
                both - load for both, load in zip(times["under_load"], load_times, strict=True)
            ]
            for mode, seconds in times.items():
                yield MessageTimes(
                    kind=kind,
                    ranks=len(participants),
                    mode=mode,  # type: ignore[arg-type]  # pydantic checks it
                    size=size,
                    seconds=seconds,
                )


def _throughputs(
    workers: WorkerGroup, active_ranks: int, device: ProbeDevice, effort: ProbeEffort
) -> Iterator[ThroughputTimes]:
    """A copy, a read and a matrix product."""
    amounts = {
        "copy": 2.0 * effort.large_bytes,
        "read": float(effort.large_bytes),
        "matmul": 2.0 * effort.matmul_size**3,
    }
    times = _slowest(workers.run(time_throughputs, active_ranks, device, effort)[:active_ranks])
    for what, seconds in times.items():
        yield ThroughputTimes(
            what=what,
            ranks=workers.world_size,
            active_ranks=active_ranks,
            amount=amounts[what],
            seconds=seconds,
        )


def _decode_steps(
    workers: WorkerGroup, active_ranks: int, device: ProbeDevice, effort: ProbeEffort
) -> Iterator[DecodeStepTimes]:
    """Every plan in every mode."""
    for mode in _modes(device):
        steps_by_rank: list[dict[LayerPlan, tuple[int, Times]]] = workers.run(
            time_decode_steps, active_ranks, mode, device, effort
        )[:active_ranks]
        times = _slowest(
            [{plan: seconds for plan, (_, seconds) in steps.items()} for steps in steps_by_rank]
        )
        for plan, seconds in times.items():
            yield DecodeStepTimes(
                mode=mode,
                ranks=workers.world_size,
                active_ranks=active_ranks,
                stages=len(plan.groups),
                bytes=steps_by_rank[0][plan][0],
                seconds=seconds,
            )


def _launches(
    workers: WorkerGroup, device: ProbeDevice, effort: ProbeEffort
) -> Iterator[LaunchTimes]:
    for mode in _modes(device):
        seconds = workers.run(time_launches, mode, device, effort)[0]
        yield LaunchTimes(mode=mode, seconds=seconds)


def _slowest(times_by_rank: Sequence[Mapping[Name, Times]]) -> dict[Name, Times]:
    """The times of the slowest rank, by round."""
    return {
        name: slowest_rank([times[name] for times in times_by_rank]) for name in times_by_rank[0]
    }

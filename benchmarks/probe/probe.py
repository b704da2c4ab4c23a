"""`make probe`: what this machine does a second, and what messages between its ranks cost.

The cost model reads the result. On one CUDA device there are no messages; on CPU, ranks share cores
and memory, so rates are taken with one rank at work and with all of them. Messages are timed back
to back, and between products that read as much as part of a layer, as they travel in a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

from benchmarks.cost_model.model_shapes import ModelShape, shape_named
from benchmarks.latency.backends.engine import PROCESS_GROUP_BACKENDS
from benchmarks.probe.rank_timings import (
    ProbeDevice,
    ProbeEffort,
    Times,
    load_engines,
    time_launches,
    time_messages,
    time_rates,
    time_steps,
)
from benchmarks.results.probe_record import (
    DecodeStepTimes,
    LaunchTimes,
    MachineProbe,
    MessageTimes,
    ThroughputTimes,
)
from benchmarks.results.provenance import provenance
from benchmarks.runtime.device import Runtime, device_count
from benchmarks.runtime.errors import UnavailableError
from benchmarks.runtime.progress import Progress
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.plan import dense_plan, uniform_plan

KINDS = get_args(MessageTimes.model_fields["kind"].annotation)
SIZES = (2**10, 2**12, 2**14, 2**17, 2**20)
"""Bytes: from a token's hidden state to a prompt's."""
SHAPE = {"cpu": ("SmolLM2-135M", 30), "cuda": ("LLaMA-7B", 16)}
"""Whose decode steps are timed, and how many of its layers."""
EFFORT = {
    "cpu": ProbeEffort(
        rounds=7,
        repeats=20,
        large_bytes=2**28,
        product=1024,
        load_bytes=2**23,
        steps=8,
        context=32,
    ),
    "cuda": ProbeEffort(
        rounds=15,
        repeats=100,
        large_bytes=2**30,
        product=8192,
        load_bytes=2**27,
        steps=16,
        context=128,
    ),
}


def run_probe(
    runtime: Runtime,
    ranks: list[int] | None = None,
    *,
    shape: ModelShape | None = None,
    effort: ProbeEffort | None = None,
    sizes: tuple[int, ...] = SIZES,
) -> MachineProbe:
    """Measures one rank, and every number of `ranks` (two, where there are two devices).

    Raises ValueError where the machine has fewer devices than ranks.
    """
    device = runtime.start()
    place, effort = ProbeDevice(device, runtime.dtype), effort or EFFORT[device]
    shape = shape or _usual(device)
    worlds = _worlds(ranks, device)
    records: dict[str, list[Any]] = {"messages": [], "throughputs": [], "steps": [], "launches": []}
    with Progress("probe", 2 * len(worlds), "parts") as progress:
        for world in worlds:
            threads = max(1, runtime.threads // world)
            with WorkerGroup(
                world, backend=PROCESS_GROUP_BACKENDS[device], threads=threads
            ) as workers:
                records["messages"] += _messages(workers, sizes, place, effort)
                if world == 1:
                    records["launches"] += _launches(workers, place, effort)
                progress.update()
                workers.run(load_engines, shape, _plans(shape.layers), place)
                for active_ranks in sorted({1, world}):
                    records["throughputs"] += _rates(workers, active_ranks, place, effort)
                    records["steps"] += _steps(workers, active_ranks, place, effort)
                progress.update()
    return MachineProbe(
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        shape=asdict(shape),
        **records,
    )


def _usual(device: str) -> ModelShape:
    name, layers = SHAPE[device]
    return shape_named(name).with_layers(layers)


def _worlds(ranks: list[int] | None, device: str) -> list[int]:
    have = device_count(device)
    asked = ranks if ranks is not None else [2] * (have >= 2)
    for count in asked:
        if count > have:
            what = "CUDA devices" if device == "cuda" else "CPU cores"
            raise UnavailableError(f"ranks: {count}, but this machine has {have} {what}; use fewer")
    return sorted({1, *asked})


def _plans(layers: int) -> list[Any]:
    """Equal bytes in many stages and in few: what differs between them is launches."""
    return [dense_plan(layers), *(uniform_plan(layers, 0, layers, size) for size in (2, 4))]


def _modes(place: ProbeDevice) -> list[str]:
    return ["eager", "cuda_graph"] if place.device == "cuda" else ["eager"]


def _messages(
    workers: WorkerGroup, sizes: tuple[int, ...], place: ProbeDevice, effort: ProbeEffort
) -> Iterator[MessageTimes]:
    if workers.world_size == 1:
        return
    for kind in KINDS:
        # A message from one to another is not captured: NCCL pairs it with that of its peer.
        modes = [*_modes(place), "under_load"] if kind == "all_reduce" else ["eager", "under_load"]
        for size in sizes:
            found = workers.run(time_messages, kind, size, modes, place, effort)
            taking_part = found[:2] if kind == "send" else found
            times = _slowest(taking_part)
            times["under_load"] = [
                both - load
                for both, load in zip(times["under_load"], times.pop("load_only"), strict=True)
            ]
            for mode, seconds in times.items():
                yield MessageTimes(
                    kind=kind, ranks=len(taking_part), mode=mode, size=size, seconds=seconds
                )


def _rates(
    workers: WorkerGroup, active_ranks: int, place: ProbeDevice, effort: ProbeEffort
) -> Iterator[ThroughputTimes]:
    amounts = {
        "copy": 2.0 * effort.large_bytes,
        "read": float(effort.large_bytes),
        "matmul": 2.0 * effort.product**3,
    }
    times = _slowest(workers.run(time_rates, active_ranks, place, effort)[:active_ranks])
    for what, seconds in times.items():
        yield ThroughputTimes(
            what=what,
            ranks=workers.world_size,
            active_ranks=active_ranks,
            amount=amounts[what],
            seconds=seconds,
        )


def _steps(
    workers: WorkerGroup, active_ranks: int, place: ProbeDevice, effort: ProbeEffort
) -> Iterator[DecodeStepTimes]:
    for mode in _modes(place):
        found = workers.run(time_steps, active_ranks, mode, place, effort)[:active_ranks]
        times = _slowest([{p: s for p, (_, s) in own.items()} for own in found])
        for plan, seconds in times.items():
            yield DecodeStepTimes(
                mode=mode,
                ranks=workers.world_size,
                active_ranks=active_ranks,
                stages=len(plan.groups),
                bytes=found[0][plan][0],
                seconds=seconds,
            )


def _launches(
    workers: WorkerGroup, place: ProbeDevice, effort: ProbeEffort
) -> Iterator[LaunchTimes]:
    for mode in _modes(place):
        yield LaunchTimes(mode=mode, seconds=workers.run(time_launches, mode, place, effort)[0])


def _slowest(of_ranks: list[dict[Any, Times]]) -> dict[Any, Times]:
    """Round by round, the time of the rank that took longest."""
    return {
        name: [max(times) for times in zip(*(own[name] for own in of_ranks), strict=True)]
        for name in of_ranks[0]
    }

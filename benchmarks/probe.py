"""`make probe`: what this machine does a second, and what messages between its ranks cost.

The cost model reads the result. On one CUDA device there are no messages; on CPU, ranks share cores
and memory, so rates are taken with one rank at work and with all of them. Messages are timed back
to back, and between products that read as much as part of a layer, as they travel in a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

from benchmarks.cost_model.shapes import Shape, shape_named
from benchmarks.paths import BACKENDS
from benchmarks.probing import (
    Effort,
    Place,
    Times,
    load_engines,
    time_launches,
    time_messages,
    time_rates,
    time_steps,
)
from benchmarks.progress import Progress
from benchmarks.provenance import provenance
from benchmarks.record import LaunchRecord, MessageRecord, Probe, RateRecord, StepsRecord
from benchmarks.runtime import Runtime, UnavailableError, devices
from cqil.engine.gang import Gang
from cqil.plan import dense_plan, uniform_plan

KINDS = get_args(MessageRecord.model_fields["kind"].annotation)
SIZES = (2**10, 2**12, 2**14, 2**17, 2**20)
"""Bytes: from a token's hidden state to a prompt's."""
SHAPE = {"cpu": ("SmolLM2-135M", 30), "cuda": ("LLaMA-7B", 16)}
"""Whose decode steps are timed, and how many of its layers."""
EFFORT = {
    "cpu": Effort(
        rounds=7,
        repeats=20,
        large_bytes=2**28,
        product=1024,
        load_bytes=2**23,
        steps=8,
        context=32,
    ),
    "cuda": Effort(
        rounds=15,
        repeats=100,
        large_bytes=2**30,
        product=8192,
        load_bytes=2**27,
        steps=16,
        context=128,
    ),
}


def probe(
    runtime: Runtime,
    ranks: list[int] | None = None,
    *,
    shape: Shape | None = None,
    effort: Effort | None = None,
    sizes: tuple[int, ...] = SIZES,
) -> Probe:
    """Measures one rank, and every number of `ranks` (two, where there are two devices).

    Raises ValueError where the machine has fewer devices than ranks.
    """
    device = runtime.start()
    place, effort = Place(device, runtime.dtype), effort or EFFORT[device]
    shape = shape or _usual(device)
    worlds = _worlds(ranks, device)
    records: dict[str, list[Any]] = {"messages": [], "rates": [], "steps": [], "launches": []}
    with Progress("probe", 2 * len(worlds), "parts") as progress:
        for world in worlds:
            threads = max(1, runtime.threads // world)
            with Gang(world, backend=BACKENDS[device], threads=threads) as gang:
                records["messages"] += _messages(gang, sizes, place, effort)
                if world == 1:
                    records["launches"] += _launches(gang, place, effort)
                progress.update()
                gang.run(load_engines, shape, _plans(shape.layers), place)
                for readers in sorted({1, world}):
                    records["rates"] += _rates(gang, readers, place, effort)
                    records["steps"] += _steps(gang, readers, place, effort)
                progress.update()
    return Probe(
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        shape=asdict(shape),
        **records,
    )


def _usual(device: str) -> Shape:
    name, layers = SHAPE[device]
    return shape_named(name).with_layers(layers)


def _worlds(ranks: list[int] | None, device: str) -> list[int]:
    have = devices(device)
    asked = ranks if ranks is not None else [2] * (have >= 2)
    for count in asked:
        if count > have:
            what = "CUDA devices" if device == "cuda" else "CPU cores"
            raise UnavailableError(f"ranks: {count}, but this machine has {have} {what}; use fewer")
    return sorted({1, *asked})


def _plans(layers: int) -> list[Any]:
    """Equal bytes in many stages and in few: what differs between them is launches."""
    return [dense_plan(layers), *(uniform_plan(layers, 0, layers, size) for size in (2, 4))]


def _modes(place: Place) -> list[str]:
    return ["eager", "graph"] if place.device == "cuda" else ["eager"]


def _messages(
    gang: Gang, sizes: tuple[int, ...], place: Place, effort: Effort
) -> Iterator[MessageRecord]:
    if gang.world == 1:
        return
    for kind in KINDS:
        # A message from one to another is not captured: NCCL pairs it with that of its peer.
        modes = [*_modes(place), "loaded"] if kind == "all_reduce" else ["eager", "loaded"]
        for size in sizes:
            found = gang.run(time_messages, kind, size, modes, place, effort)
            taking_part = found[:2] if kind == "send" else found
            times = _slowest(taking_part)
            times["loaded"] = [
                both - load for both, load in zip(times["loaded"], times.pop("silent"), strict=True)
            ]
            for mode, seconds in times.items():
                yield MessageRecord(
                    kind=kind, ranks=len(taking_part), mode=mode, size=size, seconds=seconds
                )


def _rates(gang: Gang, readers: int, place: Place, effort: Effort) -> Iterator[RateRecord]:
    amounts = {
        "copy": 2.0 * effort.large_bytes,
        "read": float(effort.large_bytes),
        "multiply": 2.0 * effort.product**3,
    }
    times = _slowest(gang.run(time_rates, readers, place, effort)[:readers])
    for what, seconds in times.items():
        yield RateRecord(
            what=what, ranks=gang.world, readers=readers, amount=amounts[what], seconds=seconds
        )


def _steps(gang: Gang, readers: int, place: Place, effort: Effort) -> Iterator[StepsRecord]:
    for mode in _modes(place):
        found = gang.run(time_steps, readers, mode, place, effort)[:readers]
        times = _slowest([{p: s for p, (_, s) in own.items()} for own in found])
        for plan, seconds in times.items():
            yield StepsRecord(
                mode=mode,
                ranks=gang.world,
                readers=readers,
                stages=len(plan.groups),
                bytes=found[0][plan][0],
                seconds=seconds,
            )


def _launches(gang: Gang, place: Place, effort: Effort) -> Iterator[LaunchRecord]:
    for mode in _modes(place):
        yield LaunchRecord(mode=mode, seconds=gang.run(time_launches, mode, place, effort)[0])


def _slowest(of_ranks: list[dict[Any, Times]]) -> dict[Any, Times]:
    """Round by round, the time of the rank that took longest."""
    return {
        name: [max(times) for times in zip(*(own[name] for own in of_ranks), strict=True)]
        for name in of_ranks[0]
    }

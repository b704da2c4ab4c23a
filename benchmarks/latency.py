"""Latency of every variant on every path, all interleaved in one session.

Paths are those of `paths.py`. Workloads are timed one after another, on the same arms; one more
is dense again, whose ratio to dense shows what noise does. On one device the layers of a group run
fused in a few products, on ranks at the same time. Variants share packed weights wherever those are
equal.
Merged layers are timed with the weights that they had before: values do not change the time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.arms import Arm, Generate, OneDevice, Spec, layers_run, spread
from benchmarks.conditions import Watch
from benchmarks.models import load_dense
from benchmarks.paths import (
    AGAIN,
    BACKENDS,
    EAGER,
    REFERENCE,
    TRANSFORMERS,
    mode_of,
    ranks_of,
    reference_of,
    timed,
)
from benchmarks.record import Conditions, LatencyResult
from benchmarks.rounds import Timed, interleave, random_prompt
from benchmarks.runtime import Runtime, UnavailableError, devices, once, outcome
from benchmarks.sections import Latency, Workload, workload_name
from benchmarks.sharing import Held, share
from benchmarks.variants import Variant
from cqil.engine.gang import Gang, RankError
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.engine.leaving import check_exits
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan


@dataclass(frozen=True)
class Session:
    """The rounds of one workload, and the machine around them."""

    timed: Timed
    layers: dict[str, float | None]
    """PATH/VARIANT -> what a decode step ran on average, where that is not the plan's depth."""
    conditions: Conditions


def measure_latency(
    variants: list[Variant], section: Latency, runtime: Runtime
) -> list[LatencyResult]:
    """One result for each path, workload and variant, dense again among them.

    Each round runs all of them once, in an order drawn anew. Raises ValueError where the variants
    are of different models.
    """
    if len({variant.manifest["sha256"] for variant in variants}) != 1:
        raise ValueError("variants: of different models; measure those of one model together")
    sessions = once(lambda device: _sessions(variants, section, runtime, device))
    identity, named = uuid.uuid4().hex, _by_name(variants)
    workloads = {workload.name: workload for workload in section.workloads}

    def measure(path: str, workload: str, name: str, device: str) -> dict[str, Any]:
        layout = _spec(path, named[name], device, runtime.dtype).layout
        session = sessions(device)[workload]
        if isinstance(session, MemoryError):
            raise session
        return {
            "samples": session.timed.samples[f"{path}/{name}"],
            "layers": session.layers.get(f"{path}/{name}"),
            "layout": asdict(layout),
            "stopped": session.timed.stopped,
            "conditions": session.conditions,
        }

    return [
        outcome(
            LatencyResult,
            named[name],
            workloads[workload].model_dump(),
            replace(runtime, threads=_threads(path, runtime)),
            partial(measure, path, workload, name),
            path=path,
            schedule=None if (own := named[name].schedule) is None else own.to_dict(),
            layout={},
            session=identity,
        )
        for path, workload, name in timed(_names(variants), section)
    ]


def place_of(result: LatencyResult) -> str:
    """Where its file lies: PATH/WORKLOAD/VARIANT.json."""
    workload = workload_name(result.workload["batch"], result.workload["prompt_tokens"])
    return f"{result.path}/{workload}/{result.variant}.json"


def _names(variants: list[Variant]) -> list[str]:
    return [variant.name for variant in variants]


def _by_name(variants: list[Variant]) -> dict[str, Variant]:
    """With dense under its second name as well."""
    named = {variant.name: variant for variant in variants}
    again = [replace(v, name=AGAIN) for v in variants if v.name == REFERENCE]
    return named | {variant.name: variant for variant in again}


def _threads(path: str, runtime: Runtime) -> int:
    """Of each rank."""
    return max(1, runtime.threads // ranks_of(path))


def _spec(path: str, variant: Variant, device: str, dtype: str) -> Spec:
    """Raises UnavailableError where this machine, or any, cannot run the variant on the path."""
    ranks, source, mode = ranks_of(path), variant.manifest["path"], mode_of(path)
    if mode != EAGER and device != "cuda":
        raise UnavailableError(f"modes: {mode} is timed on CUDA, but device is {device}; use eager")
    if ranks > devices(device):
        what = "CUDA devices" if device == "cuda" else "CPU cores"
        raise UnavailableError(
            f"ranks: {ranks}, but this machine has {devices(device)} {what}; use fewer"
        )
    layout = ONE_DEVICE
    if ranks > 1:
        layout = layout_for(variant.plan, ranks, read_config(source).num_attention_heads)
    try:
        check_exits(variant.exits, layout, "eager")
    except ValueError as error:
        raise UnavailableError(str(error)) from None
    order = variant.schedule or variant.plan
    return Spec(
        path=source,
        plan=order,
        layout=layout,
        exits=variant.exits,
        device=device,
        dtype=dtype,
        mode=mode,
    )


def layout_for(plan: LayerPlan, ranks: int, heads: int) -> Layout:
    """The members of the largest group side by side; the ranks of a lane share its layers.

    So CQIL where there are groups, tensor parallelism where there are none. Raises UnavailableError
    where that does not use every rank, and where more would share a layer than it has `heads`.
    """
    lanes = max(map(len, (*plan.groups, *plan.prefill_groups)))
    if ranks % lanes:
        raise UnavailableError(
            f"ranks: {ranks}, but the largest group has {lanes} members; use a multiple of {lanes}"
        )
    shards = ranks // lanes
    if shards > heads:
        raise UnavailableError(
            f"ranks: {ranks}, so that {shards} share each layer, but a layer has {heads} attention "
            "heads; use fewer"
        )
    return Layout(lanes=lanes, shards=shards)


def _sessions(
    variants: list[Variant], section: Latency, runtime: Runtime, device: str
) -> dict[str, Session | MemoryError]:
    """By workload, of all arms that can run here; where memory runs out, the workloads after that
    have none either.
    """
    named, specs = _by_name(variants), {}
    for path, _, name in timed(_names(variants), section):
        with suppress(UnavailableError):
            specs[f"{path}/{name}"] = _spec(path, named[name], device, runtime.dtype)
    ended: dict[str, Session | MemoryError] = {}
    try:
        with ExitStack() as stack:
            arms = dict(_arms(specs, variants[0].manifest, runtime, stack))
            vocabulary = read_config(variants[0].manifest["path"]).vocab_size
            for workload in section.workloads:
                session = _session(arms, specs, workload, vocabulary, runtime.seed)
                ended[workload.name] = session
    except (MemoryError, torch.OutOfMemoryError, RankError) as error:
        first_line = (str(error) or "no detail").splitlines()[0]
        if isinstance(error, RankError) and "MemoryError" not in first_line:
            raise
        full = MemoryError(first_line)
        return {workload.name: ended.get(workload.name, full) for workload in section.workloads}
    return ended


def _session(
    arms: dict[str, Arm], specs: dict[str, Spec], workload: Workload, vocabulary: int, seed: int
) -> Session:
    """Ratios are to dense on one device in the same mode."""
    dense = {key: f"{reference_of(key.split('/')[0])}/{REFERENCE}" for key in arms}
    references = {key: other for key, other in dense.items() if other in arms and other != key}
    prompt_BT = random_prompt(vocabulary, workload.batch, workload.prompt_tokens, seed)
    with Watch() as watch:
        rounds = interleave(arms, prompt_BT, workload, seed, references)
    layers = {key: layers_run(arms[key], specs[key], workload.new_tokens) for key in arms}
    return Session(rounds, layers, watch.conditions())


def _arms(
    specs: dict[str, Spec], manifest: dict[str, Any], runtime: Runtime, stack: ExitStack
) -> Iterator[tuple[str, Arm]]:
    """One gang for each number of ranks, ended by `stack`."""
    gangs: dict[int, Gang] = {}
    held: Held = {}
    for key, spec in specs.items():
        path, world = key.split("/")[0], spec.layout.world
        if path == TRANSFORMERS:
            yield key, Generate(load_dense(manifest, spec.device, spec.dtype))
        elif world == 1:
            yield key, OneDevice(share(spec.engine(), held), runtime.threads)
        else:
            if world not in gangs:
                gang = Gang(world, backend=BACKENDS[spec.device], threads=_threads(path, runtime))
                gangs[world] = stack.enter_context(gang)
            yield key, spread(gangs[world], key, spec)

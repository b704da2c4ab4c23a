"""Latency of every variant on every path, all interleaved in one session.

Paths are those of `paths.py`. On one device the layers of a group run fused in a few products, on
ranks at the same time. Variants share packed weights wherever those are equal.
Merged layers are timed with the weights that they had before: values do not change the time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from benchmarks.arms import Arm, Generate, OneDevice, Spec, layers_run, spread
from benchmarks.models import load_dense
from benchmarks.paths import BACKENDS, TRANSFORMERS, ranks_of, timed
from benchmarks.record import LatencyResult
from benchmarks.rounds import interleave, random_prompt
from benchmarks.runtime import Runtime, UnavailableError, devices, once, outcome
from benchmarks.sections import Latency
from benchmarks.sharing import Held, share
from benchmarks.variants import Variant
from cqil.engine.gang import Gang, RankError
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.engine.leaving import check_exits
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan


def measure_latency(
    variants: list[Variant], workload: Latency, runtime: Runtime
) -> list[LatencyResult]:
    """One result for each path and variant; each round runs all of them once, in an order drawn
    anew. Raises ValueError where the variants are of different models.
    """
    if len({variant.manifest["sha256"] for variant in variants}) != 1:
        raise ValueError("variants: of different models; measure those of one model together")
    # One interleaved session serves all results; if memory runs out, it does so for all of them.
    session = once(lambda device: _session(variants, workload, runtime, device))
    identity, named = uuid.uuid4().hex, _by_name(variants)

    def measure(path: str, variant: Variant, device: str) -> dict[str, Any]:
        layout = _spec(path, variant, device, runtime.dtype).layout
        return session(device)[f"{path}/{variant.name}"] | {"layout": asdict(layout)}

    return [
        outcome(
            LatencyResult,
            named[name],
            workload.model_dump(),
            replace(runtime, threads=_threads(path, runtime)),
            partial(measure, path, named[name]),
            path=path,
            schedule=None if (own := named[name].schedule) is None else own.to_dict(),
            layout={},
            session=identity,
        )
        for path, name in timed(named, workload.ranks)
    ]


def _by_name(variants: list[Variant]) -> dict[str, Variant]:
    return {variant.name: variant for variant in variants}


def _threads(path: str, runtime: Runtime) -> int:
    """Of each rank."""
    return max(1, runtime.threads // ranks_of(path))


def _spec(path: str, variant: Variant, device: str, dtype: str) -> Spec:
    """Raises UnavailableError where this machine, or any, cannot run the variant on the path."""
    ranks, source = ranks_of(path), variant.manifest["path"]
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
        path=source, plan=order, layout=layout, exits=variant.exits, device=device, dtype=dtype
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


def _session(
    variants: list[Variant], workload: Latency, runtime: Runtime, device: str
) -> dict[str, dict[str, Any]]:
    """PATH/VARIANT -> samples and layers that were run, of all that can run here.

    Raises MemoryError where that of a rank runs out.
    """
    named, specs = _by_name(variants), {}
    for path, name in timed(named, workload.ranks):
        with suppress(UnavailableError):
            specs[f"{path}/{name}"] = _spec(path, named[name], device, runtime.dtype)
    manifest = variants[0].manifest
    vocabulary = read_config(manifest["path"]).vocab_size
    prompt_BT = random_prompt(vocabulary, workload.batch, workload.prompt_tokens, runtime.seed)
    try:
        with ExitStack() as stack:
            arms = dict(_arms(specs, manifest, runtime, stack))
            samples = interleave(
                arms,
                prompt_BT,
                workload.new_tokens,
                rounds=workload.rounds,
                warmup=workload.warmup,
                seed=runtime.seed,
            )
            return {
                key: {
                    "samples": samples[key],
                    "layers": layers_run(arms[key], specs[key], workload.new_tokens),
                }
                for key in arms
            }
    except RankError as error:
        first_line = str(error).splitlines()[0]
        if "MemoryError" not in first_line:
            raise
        raise MemoryError(first_line) from None


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

"""`make bench`: what the engine gains over what it is compared with, on this machine.

All arms run interleaved in one session. `python -m reports bench FILE` draws the ratios.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from benchmarks.arms import (
    Arm,
    Generate,
    OneDevice,
    RankFacts,
    Spec,
    peak_facts,
    rank_facts,
    spread,
)
from benchmarks.conditions import Watch
from benchmarks.loaded import cost_under_load
from benchmarks.models import load_dense
from benchmarks.paths import BACKENDS
from benchmarks.provenance import provenance
from benchmarks.record import ArmRecord, Bench, Model, RankRecord, StepSample
from benchmarks.rounds import interleave, random_prompt
from benchmarks.runtime import Runtime, devices
from benchmarks.sections import Workload
from cqil.engine.gang import Gang
from cqil.engine.layout import Layout
from cqil.engine.ledger import Ledger
from cqil.plan import LayerPlan, dense_plan, uniform_plan

LANES, SHARDS = Layout(lanes=2), Layout(shards=2)
MEASURED_PEAKS = ("cqil-p2", "tp2")
LOADED = ("cqil-p2", "tp2")
"""Arms under whose load messages are timed."""


def bench(manifest: dict[str, Any], workload: Workload, runtime: Runtime) -> Bench:
    """Times every arm; those of two ranks only where there are two devices for them."""
    device = runtime.start()
    dense = load_dense(manifest, device, runtime.dtype)
    prompt_BT = random_prompt(
        dense.config.vocab_size, workload.batch, workload.prompt_tokens, runtime.seed
    )
    specs = {
        name: Spec(path=manifest["path"], plan=plan, device=device, dtype=runtime.dtype, **how)
        for name, (plan, how) in _arms(manifest["num_layers"]).items()
    }
    if devices(device) < LANES.world:
        specs = {name: spec for name, spec in specs.items() if spec.layout.world == 1}
    shared = {name: spec for name, spec in specs.items() if spec.layout.world > 1}
    arms: dict[str, Arm] = {"transformers-generate": Generate(dense)}
    facts: dict[str, list[RankFacts]] = {}
    loaded: dict[str, list[float]] = {}
    with ExitStack() as stack:
        for name, spec in specs.items():
            if name not in shared:
                arms[name] = OneDevice(spec.engine(), runtime.threads)
        if shared:
            gang = stack.enter_context(Gang(LANES.world, backend=BACKENDS[device]))
            spreads = {name: spread(gang, name, spec) for name, spec in shared.items()}
            facts = {name: rank_facts(arm, prompt_BT) for name, arm in spreads.items()}
            arms |= spreads
        with Watch() as watch:
            samples = interleave(arms, prompt_BT, workload, runtime.seed).samples
        if shared:
            loaded = {
                name: cost_under_load(gang, name, prompt_BT, workload.rounds) for name in LOADED
            }
    peaks = {name: peak_facts(specs[name], prompt_BT, 4) for name in MEASURED_PEAKS if shared}
    generate = Spec(path=manifest["path"], plan=dense_plan(manifest["num_layers"]))
    records = [
        _record(name, specs.get(name, generate), samples[name], facts.get(name), peaks.get(name))
        for name in arms
    ]
    return Bench(
        model=Model(**{key: manifest[key] for key in Model.model_fields}),
        workload=workload.model_dump(),
        provenance=provenance(device, runtime.dtype, runtime.threads, runtime.seed),
        conditions=watch.conditions(),
        arms=records,
        message_seconds=loaded,
    )


def _arms(layers: int) -> dict[str, tuple[LayerPlan, dict[str, Any]]]:
    """Name -> plan, and how it is spread. Pairs cover [2/5, 14/15) of the depth, where they harm
    the default model least; fours the middle half."""
    dense = dense_plan(layers)
    start, fours = 2 * layers // 5, layers // 4
    end = start + 8 * layers // 15 // 2 * 2
    pairs = uniform_plan(layers, start, end, 2)
    quads = uniform_plan(layers, fours, min(layers, fours + -(-layers // 8) * 4), 4)
    halves = [[f"{layer}.attn", f"{layer}.mlp"] for layer in range(layers)]
    return {
        "engine-dense": (dense, {}),
        "engine-cqil-p2": (pairs, {}),
        "engine-cqil-p4": (quads, {}),
        "cqil-p2": (pairs, {"layout": LANES}),
        "cqil-p2-d1": (uniform_plan(layers, start, end, 2, 1), {"layout": LANES}),
        "cqil-p2-replicated": (pairs, {"layout": Layout(lanes=2, outside="replicated")}),
        "cqil-p2-sharded": (pairs, {"layout": Layout(lanes=2, outside="sharded")}),
        "cqil-p2-star": (pairs, {"layout": LANES, "links": "star"}),
        "cqil-p2-silent": (pairs, {"layout": LANES, "links": "silent"}),
        "tp2": (dense, {"layout": SHARDS}),
        "tp2-star": (dense, {"layout": SHARDS, "links": "star"}),
        "tp2-silent": (dense, {"layout": SHARDS, "links": "silent"}),
        "tp2-layer-parallel": (
            uniform_plan(layers, start, end, 2, target="two-way"),
            {"layout": SHARDS},
        ),
        "tp2-parallel-attention": (
            LayerPlan(num_layers=layers, groups=halves),
            {"layout": SHARDS},
        ),
        "tp2-ladder": (
            LayerPlan(num_layers=layers, groups=dense.groups, ladder=(start, end)),
            {"layout": SHARDS},
        ),
    }


def _record(
    name: str,
    spec: Spec,
    samples: list[StepSample],
    facts: list[RankFacts] | None,
    peaks: list[tuple[int, int]] | None,
) -> ArmRecord:
    plan = spec.plan
    assert isinstance(plan, LayerPlan)
    ranks = [
        RankRecord(
            weight_bytes=fact.weight_bytes,
            cache_bytes=fact.cache_bytes,
            step_bytes=fact.step_bytes,
            prefill_messages=_messages(fact.prefill),
            decode_messages=_messages(fact.decode),
            peak_bytes=None if peaks is None else peaks[rank][0],
        )
        for rank, fact in enumerate(facts or [])
    ]
    return ArmRecord(
        name=name,
        runs="transformers" if name == "transformers-generate" else "engine",
        plan=plan.to_dict(),
        slug=plan.slug,
        depth=plan.depth,
        layout=asdict(spec.layout),
        links=spec.links,
        mode=spec.mode,
        ranks=ranks,
        samples=samples,
    )


def _messages(ledger: Ledger) -> list[tuple[str, int, int, int]]:
    return [(*entry, count) for entry, count in sorted(ledger.entries.items())]

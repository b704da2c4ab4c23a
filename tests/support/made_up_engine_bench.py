"""A made-up bench of the engine, and a made-up probe of the machine that it ran on."""

from __future__ import annotations

from dataclasses import asdict

from made_up_results import PROVENANCE

from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.results.engine_bench_record import BenchRank, BenchSystem, EngineBench
from benchmarks.results.probe_record import (
    DecodeStepTimes,
    LaunchTimes,
    MachineProbe,
    MessageTimes,
    ThroughputTimes,
)
from benchmarks.results.schema_parts import Model
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, dense_plan, uniform_plan

SHAPE = "SmolLM2-135M"
LAYERS = SHAPES[SHAPE].layers
MODEL = Model(name="smollm2-135m-made-up", sha256="ab" * 32, num_layers=LAYERS, note="")
PAIRS = uniform_plan(LAYERS, 12, 28, 2)
STEPS, ROUNDS = 4, 5


def bench_system(
    name: str,
    milliseconds: float,
    *,
    plan: LayerPlan | None = None,
    layout: Layout = ONE_DEVICE,
    messages: int = 0,
    peak_bytes: int | None = None,
) -> BenchSystem:
    """A system whose decode steps all take as long; every message has 64 bytes."""
    plan = plan or dense_plan(LAYERS)
    rank = BenchRank(
        weight_bytes=3_000_000,
        cache_bytes=1_000_000,
        step_bytes=4_000_000,
        prefill_messages=[],
        decode_messages=[("all_reduce", 2, 64, messages)] if messages else [],
        peak_bytes=peak_bytes,
    )
    return BenchSystem(
        name=name,
        runs="transformers" if name.startswith("transformers") else "engine",
        plan=plan.to_dict(),
        slug=plan.slug,
        depth=plan.depth,
        layout=asdict(layout),
        communicator="none" if name.endswith("-no-communication") else "default",
        mode="eager",
        ranks=[rank] * layout.world_size if layout.world_size > 1 else [],
        samples=[[milliseconds / 100, *[milliseconds / 1e3] * STEPS]] * ROUNDS,
    )


def made_up_bench() -> EngineBench:
    """Dense and pairs, on one device and on two ranks; 1 ms a message."""
    tensor_parallel = Layout(tensor_parallel_size=2)
    group_parallel = Layout(group_parallel_size=2)
    pairs = {"plan": PAIRS, "layout": group_parallel}
    return EngineBench(
        model=MODEL,
        workload={"batch": 1, "prompt_tokens": 8, "new_tokens": STEPS, "rounds": ROUNDS},
        provenance=PROVENANCE,
        systems=[
            bench_system("transformers-generate", 40),
            bench_system("engine-dense", 20),
            bench_system("tp2", 90, layout=tensor_parallel, messages=60, peak_bytes=5_000_000),
            bench_system("tp2-no-communication", 30, layout=tensor_parallel),
            bench_system("cqil-p2", 45, messages=9, **pairs),
            bench_system("cqil-p2-no-communication", 35, **pairs),
        ],
        message_seconds={name: [0.001] * ROUNDS for name in ("tp2", "cqil-p2")},
    )


def made_up_probe() -> MachineProbe:
    """1 ms a message, 1 GB/s a rank at half efficiency, no time for stages."""
    places = ((1, 1), (2, 2))
    return MachineProbe(
        provenance=PROVENANCE,
        shape=asdict(SHAPES[SHAPE]),
        messages=[
            MessageTimes(kind="all_reduce", ranks=2, mode="eager", size=size, seconds=[0.001])
            for size in (1024, 4096)
        ],
        throughputs=[
            ThroughputTimes(
                what=what, ranks=ranks, active_ranks=active, amount=amount, seconds=[1.0]
            )
            for ranks, active in places
            for what, amount in (("copy", 1e9), ("read", 1e9), ("matmul", 1e15))
        ],
        steps=[
            DecodeStepTimes(
                mode="eager",
                ranks=ranks,
                active_ranks=active,
                stages=stages,
                bytes=500_000_000,
                seconds=[1.0],
            )
            for ranks, active in places
            for stages in (10, 20)
        ],
        launches=[LaunchTimes(mode="eager", seconds=[1e-6])],
    )

"""The systems that `make bench` compares: plans on one device and on two ranks."""

from __future__ import annotations

from typing import NamedTuple

from baselines.reordering.parallel_attention import parallel_attention_plan
from benchmarks.results.engine_bench_record import NO_COMMUNICATION
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout, UngroupedLayers
from cqil.plan import LayerPlan, dense_plan, uniform_plan

TRANSFORMERS = "transformers-generate"
"""`generate` of Transformers with the dense model."""
GROUP_PARALLEL = Layout(group_parallel_size=2)
TENSOR_PARALLEL = Layout(tensor_parallel_size=2)


class System(NamedTuple):
    """A plan, and how the engine runs it."""

    plan: LayerPlan
    options: EngineOptions = EngineOptions()


def engine_systems(num_layers: int) -> dict[str, System]:
    """Name -> system of the engine.

    Groups of two cover [2/5, 14/15) of the depth, where they harm the default model least; groups
    of four cover the middle half.
    """
    dense, start = dense_plan(num_layers), 2 * num_layers // 5
    end = start + 8 * num_layers // 15 // 2 * 2
    pairs = uniform_plan(num_layers, start, end, 2)
    ladder = LayerPlan(num_layers=num_layers, groups=dense.groups, ladder=(start, end))
    two_way = uniform_plan(num_layers, start, end, 2, target="two-way")
    tp2 = EngineOptions(layout=TENSOR_PARALLEL)
    return {
        "engine-dense": System(dense),
        "engine-cqil-p2": System(pairs),
        "engine-cqil-p4": System(_groups_of_four(num_layers)),
        **_over_communicators("cqil-p2", pairs, GROUP_PARALLEL),
        "cqil-p2-d1": System(
            uniform_plan(num_layers, start, end, 2, 1), EngineOptions(layout=GROUP_PARALLEL)
        ),
        "cqil-p2-replicate": System(pairs, _group_parallel("replicate")),
        "cqil-p2-shard": System(pairs, _group_parallel("shard")),
        **_over_communicators("tp2", dense, TENSOR_PARALLEL),
        "tp2-layer-parallel": System(two_way, tp2),
        "tp2-parallel-attention": System(parallel_attention_plan(num_layers, 0, num_layers), tp2),
        "tp2-ladder": System(ladder, tp2),
    }


def _over_communicators(name: str, plan: LayerPlan, layout: Layout) -> dict[str, System]:
    """One plan and layout with the default communicator, a star, and no communication."""
    return {
        name: System(plan, EngineOptions(layout=layout)),
        f"{name}-star": System(plan, EngineOptions(layout=layout, communicator="star")),
        f"{name}{NO_COMMUNICATION}": System(
            plan, EngineOptions(layout=layout, communicator="none")
        ),
    }


def _group_parallel(ungrouped_layers: UngroupedLayers) -> EngineOptions:
    """Two group-parallel ranks that run ungrouped layers in that way."""
    layout = Layout(group_parallel_size=2, ungrouped_layers=ungrouped_layers)
    return EngineOptions(layout=layout)


def _groups_of_four(num_layers: int) -> LayerPlan:
    """Groups of four over the middle half of the layers."""
    start = num_layers // 4
    end = min(num_layers, start + -(-num_layers // 8) * 4)
    return uniform_plan(num_layers, start, end, 4)

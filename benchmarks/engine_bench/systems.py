"""The systems that `make bench` compares: plans on one device and on two ranks."""

from __future__ import annotations

from typing import NamedTuple

from cqil.engine.options import EngineOptions
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, dense_plan, uniform_plan

NO_COMMUNICATION = "-no-communication"
"""Ends the name of a system that computes another one's step and sends nothing."""
TRANSFORMERS = "transformers-generate"
"""`generate` of Transformers, dense."""
GROUP_PARALLEL = Layout(group_parallel_size=2)
TENSOR_PARALLEL = Layout(tensor_parallel_size=2)


class System(NamedTuple):
    """A plan, and how the engine runs it."""

    plan: LayerPlan
    options: EngineOptions = EngineOptions()


def engine_systems(num_layers: int) -> dict[str, System]:
    """Name -> system.

    Pairs cover [2/5, 14/15) of the depth, where they harm the default model least; fours cover the
    middle half.
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
        "engine-cqil-p4": System(_fours(num_layers)),
        **_over_communicators("cqil-p2", pairs, GROUP_PARALLEL),
        "cqil-p2-d1": System(
            uniform_plan(num_layers, start, end, 2, 1), EngineOptions(layout=GROUP_PARALLEL)
        ),
        "cqil-p2-replicate": System(pairs, _ungrouped("replicate")),
        "cqil-p2-shard": System(pairs, _ungrouped("shard")),
        **_over_communicators("tp2", dense, TENSOR_PARALLEL),
        "tp2-layer-parallel": System(two_way, tp2),
        "tp2-parallel-attention": System(_parallel_attention(num_layers), tp2),
        "tp2-ladder": System(ladder, tp2),
    }


def _over_communicators(name: str, plan: LayerPlan, layout: Layout) -> dict[str, System]:
    return {
        name: System(plan, EngineOptions(layout=layout)),
        f"{name}-star": System(plan, EngineOptions(layout=layout, communicator="star")),
        f"{name}{NO_COMMUNICATION}": System(
            plan, EngineOptions(layout=layout, communicator="none")
        ),
    }


def _ungrouped(where: str) -> EngineOptions:
    return EngineOptions(layout=Layout(group_parallel_size=2, ungrouped_layers=where))  # type: ignore[arg-type]


def _fours(num_layers: int) -> LayerPlan:
    start = num_layers // 4
    end = min(num_layers, start + -(-num_layers // 8) * 4)
    return uniform_plan(num_layers, start, end, 4)


def _parallel_attention(num_layers: int) -> LayerPlan:
    """Attention beside the MLP in every layer, as in PaLM."""
    groups = tuple((f"{layer}.attn", f"{layer}.mlp") for layer in range(num_layers))
    return LayerPlan(num_layers=num_layers, groups=groups)

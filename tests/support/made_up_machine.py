"""Machines with round figures, for tests of the cost model."""

from __future__ import annotations

from benchmarks.cost_model.machine import ANY, LinkCost, Machine, RankRate


def machine(alpha_s=0.0, beta_s=0.0, stage_s=0.0, flops_per_s=float("inf"), sharing=None):
    """1 GB/s a rank at half efficiency; `sharing`: (ranks, readers) -> bandwidth instead."""

    def rate(bandwidth):
        return RankRate(
            bandwidth=bandwidth, efficiency=0.5, stage_s=stage_s, flops_per_s=flops_per_s
        )

    return Machine(
        name="made-up",
        title="Made up",
        source="a test",
        projected=True,
        rates={at: rate(b) for at, b in (sharing or {(ANY, ANY): 1e9}).items()},
        links={("all_reduce", n): LinkCost(alpha_s, beta_s) for n in range(2, 9)},
    )

"""A machine of round numbers, for tests of the cost model."""

from __future__ import annotations

from benchmarks.cost_model.machine import Machine
from benchmarks.cost_model.rates import ANY, LinkCost, RankRate


def machine(alpha_s=0.0, beta_s=0.0, stage_s=0.0, flops_per_s=float("inf"), sharing=None):
    """1 GB/s per rank at half efficiency; `sharing` gives bandwidths by (ranks, active ranks)."""

    def rate(bandwidth):
        return RankRate(
            bandwidth=bandwidth, efficiency=0.5, stage_s=stage_s, flops_per_s=flops_per_s
        )

    return Machine(
        name="made-up",
        title="Made up",
        source="a test",
        projected=True,
        rates={key: rate(b) for key, b in (sharing or {(ANY, ANY): 1e9}).items()},
        links={("all_reduce", ranks): LinkCost(alpha_s, beta_s) for ranks in range(2, 9)},
    )

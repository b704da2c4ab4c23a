"""Robust fits of a probe's samples: medians and Theil-Sen lines. Imports no torch.

A median ignores rounds that the machine disturbed; a Theil-Sen line ignores such sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from scipy import stats

from benchmarks.cost_model.rates import LinkCost, RankRate
from benchmarks.results.probe_record import MachineProbe
from cqil.engine.options import ExecutionMode


class FittedLine(NamedTuple):
    """Seconds(size) = alpha + beta x size."""

    alpha: float
    beta: float


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> FittedLine:
    """The line through the samples; neither coefficient is negative, however large the noise is.

    A single size gives a constant. Raises ValueError where there are no samples.
    """
    if not sizes:
        raise ValueError("samples: there are none to fit; probe the machine again")
    if len(set(sizes)) == 1:
        return FittedLine(median(seconds), 0.0)
    beta = max(0.0, float(stats.theilslopes(seconds, sizes).slope))
    alpha = median(t - beta * size for size, t in zip(sizes, seconds, strict=True))
    return FittedLine(max(0.0, alpha), beta)


class FittedSteps(NamedTuple):
    """What decode steps of equal bytes in more or fewer stages tell of a rank."""

    stage_s: float
    bytes_per_s: float


def fit_steps(stages: Sequence[int], seconds: Sequence[float], bytes_read: float) -> FittedSteps:
    """Every step reads `bytes_read`, so the time that grows with stages is spent on launches."""
    line = fit_line(stages, seconds)
    # Where launches hide the reading, it is taken as a tenth of the fastest step at least.
    reading_s = max(line.alpha, min(seconds) / 10)
    return FittedSteps(line.beta, bytes_read / reading_s)


def fit_rank_rates(probe: MachineProbe, mode: ExecutionMode) -> dict[tuple[int, int], RankRate]:
    """(ranks, active ranks) that decode steps were timed with in this mode -> rate of a rank."""
    timed_ranks = {(s.ranks, s.active_ranks) for s in probe.steps if s.mode == mode}
    return {key: _fit_rank_rate(probe, mode, *key) for key in sorted(timed_ranks)}


def _fit_rank_rate(
    probe: MachineProbe, mode: ExecutionMode, ranks: int, active_ranks: int
) -> RankRate:
    steps = [
        s for s in probe.steps if (s.mode, s.ranks, s.active_ranks) == (mode, ranks, active_ranks)
    ]
    fit = fit_steps([s.stages for s in steps], [median(s.seconds) for s in steps], steps[0].bytes)
    peaks = {
        t.what: max(t.amount / s for s in t.seconds)
        for t in probe.throughputs
        if (t.ranks, t.active_ranks) == (ranks, active_ranks)
    }
    bandwidth = max(peaks["read"], peaks["copy"])
    return RankRate(
        bandwidth=bandwidth,
        efficiency=fit.bytes_per_s / bandwidth,
        stage_s=fit.stage_s,
        flops_per_s=peaks["matmul"],
    )


def fit_link_costs(probe: MachineProbe, mode: ExecutionMode) -> dict[tuple[str, int], LinkCost]:
    """(kind of message, ranks that take part) -> cost; of messages under load where possible."""
    costs: dict[tuple[str, int], LinkCost] = {}
    for kind, ranks in sorted({(m.kind, m.ranks) for m in probe.messages}):
        of_kind = [m for m in probe.messages if (m.kind, m.ranks) == (kind, ranks)]
        has_load = any(m.mode == "under_load" for m in of_kind)
        timed_mode = mode if mode == "cuda_graph" else "under_load" if has_load else "eager"
        messages = [m for m in of_kind if m.mode == timed_mode]
        if messages:
            line = fit_line([m.size for m in messages], [median(m.seconds) for m in messages])
            costs[kind, ranks] = LinkCost(*line)
    return costs

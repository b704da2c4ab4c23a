"""Checks of a direction in time, on the machine of the results; rounds are paired.

Healed variants are left out: they run the plans of unhealed ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Bootstrap, Estimate
from reports.claims.evidence import ClaimEvidence, CommittedBench
from reports.claims.registry import Claim
from reports.claims.verdicts import Comparison, Finding, judge_direction, not_tested
from reports.data import number_format
from reports.data.labels import bypass_mode
from reports.data.results import ENGINE, ReportedVariant, Results
from reports.estimates.engine_bench import decode_seconds
from reports.estimates.latency import TimedPair, decode_ratio

TRANSFORMERS = "transformers"
"""The backend that runs dense with generate of Transformers."""


def realised_below_requested(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """Speed-up of decoding on one device, against the speed-up that the options ask for."""
    names, comparisons = [], []
    for variant in evidence.results.unhealed:
        if variant.method != method:
            continue
        requested = float(variant.options.get("speedup") or variant.plan.ideal_speedup)
        speedup = _ratio(evidence, (REFERENCE, ENGINE), (variant.name, ENGINE))
        if not math.isnan(speedup.value):
            names.append(variant.name)
            what = f"{variant.name} requested ×{requested:g}, realised"
            comparisons.append(Comparison(what, speedup, "lower", neutral=requested))
    where = evidence.where(evidence.machine(*names, kind="latency", backend=ENGINE))
    needs = f"latencies of dense and {method}"
    return judge_direction("Decoding", comparisons, where, needs)


def beats_tensor_parallel(
    evidence: ClaimEvidence, claim: Claim, ranks: int, tensor_parallel_size: int = 1
) -> Finding:
    """Decoding of plain groups over tensor-parallel dense, on the same number of ranks.

    Members of a group run on `tensor_parallel_size` ranks each. Groups that are slower than dense
    on one device gain nothing, so that is compared too.
    """
    backend = f"ranks-{ranks}"
    comparisons = []
    for variant in _grouped_variants(evidence.results, backend, tensor_parallel_size):
        for base, what in ((backend, "tensor parallel"), (ENGINE, "dense on one device")):
            ratio = _ratio(evidence, (variant.name, backend), (REFERENCE, base))
            if not math.isnan(ratio.value):
                comparisons.append(Comparison(f"{variant.name} / {what}", ratio, "lower"))
    where = evidence.where(evidence.machine(REFERENCE, kind="latency", backend=backend))
    about = f"Time of a decoded token in groups on {ranks} ranks"
    needs = (
        f"latencies on {ranks} ranks of dense and of groups of tensor-parallel size "
        f"{tensor_parallel_size}"
    )
    return judge_direction(about, comparisons, where, needs)


def _grouped_variants(
    results: Results, backend: str, tensor_parallel_size: int
) -> Iterator[ReportedVariant]:
    """Variants without bypass that ran on the backend in groups of that tensor-parallel size."""
    layouts = {
        record.variant: record.layout
        for record in results.latency_records
        if record.backend.name == backend
    }
    for variant in results.unhealed:
        layout = layouts.get(variant.name)
        if (
            layout
            and bypass_mode(variant) == "none"
            and layout["group_parallel_size"] > 1
            and layout["tensor_parallel_size"] == tensor_parallel_size
        ):
            yield variant


def slow_base_inflates(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """How much of a cut comes from a slow base: Transformers in place of the engine's dense."""
    slow, fast = (REFERENCE, TRANSFORMERS), (REFERENCE, ENGINE)
    rounds = evidence.estimates.rounds
    if slow not in rounds or fast not in rounds:
        return not_tested("latencies of dense by engine and by generate of Transformers")
    names = [
        variant.name
        for variant in evidence.results.unhealed
        if variant.method == method and bypass_mode(variant) == "none"
        if (variant.name, ENGINE) in rounds
    ]
    if not names:
        return not_tested(f"latencies of groups by {method} without bypass")
    cuts = "; ".join(
        f"{name} cuts {_cut(evidence, name, TRANSFORMERS)} % of the slow base "
        f"and {_cut(evidence, name, ENGINE)} % of the engine's dense"
        for name in names
    )
    ratio = _ratio(evidence, slow, fast)
    comparison = Comparison("slow base / engine's dense", ratio, "higher")
    where = evidence.where(evidence.machine(REFERENCE, kind="latency", backend=ENGINE))
    return judge_direction(f"Decoding on one device; {cuts}", [comparison], where, "")


def _cut(evidence: ClaimEvidence, variant: str, base: str) -> str:
    """Percent of dense's time on the backend `base` that the variant on the engine saves."""
    ratio = _ratio(evidence, (variant, ENGINE), (REFERENCE, base))
    cut = ratio.map(lambda share: 1 - share)
    return number_format.with_interval(cut, number_format.percent)


def _ratio(evidence: ClaimEvidence, above: TimedPair, below: TimedPair) -> Estimate:
    return decode_ratio(evidence.results, evidence.estimates.rounds, above, below)


def committed_order(evidence: ClaimEvidence, claim: Claim, systems: Sequence[str]) -> Finding:
    """Decode times of systems that benches of the repository interleaved, the fastest first."""
    comparisons: list[Comparison] = []
    machines = []
    for committed in evidence.committed:
        if set(systems) <= {system.name for system in committed.bench.systems}:
            comparisons += _slowdowns(committed, systems)
            machines.append(_bench_machine(committed))
    needs = f"a committed bench with {', '.join(systems)}"
    return judge_direction("Time of a decoded token", comparisons, "; ".join(machines), needs)


def _slowdowns(committed: CommittedBench, systems: Sequence[str]) -> Iterator[Comparison]:
    """Each system over the system before it."""
    rounds = {system.name: decode_seconds(system) for system in committed.bench.systems}
    seed = committed.bench.provenance.seed
    bootstrap = Bootstrap(confidence=0.95, resamples=9999, seed=seed)
    for fast, slow in pairwise(systems):
        ratio = bootstrap.ratio_of_medians(rounds[slow], rounds[fast])
        yield Comparison(f"{slow} / {fast}", ratio, "higher")


def _bench_machine(committed: CommittedBench) -> str:
    bench, hardware = committed.bench, committed.bench.provenance.hardware
    chips = ", ".join([hardware.cpu, *hardware.accelerators])
    return (
        f"{bench.model.name} on {hardware.cores} cores of {chips}, "
        f"benchmarks/history/{committed.folder}"
    )

"""Checks of a direction in time, on whatever machine the results are of; rounds are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from benchmarks.config.sections import REFERENCE
from benchmarks.results.measurements import LatencyResult
from benchmarks.results.statistics import NO_ESTIMATE, Bootstrap, Estimate
from reports.claims.registry import Claim
from reports.claims.verdicts import ClaimEvidence, Comparison, Finding, direction, not_tested
from reports.data import number_format
from reports.data.labels import bypass_mode
from reports.data.results import ENGINE, ReportedVariant, Results
from reports.estimates.engine_bench import decode_seconds
from reports.estimates.latency import round_seconds
from reports.estimates.quality import bootstrap_of


def realised_below_requested(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """Speed-up of decoding on one device against the one asked for."""
    results = evidence.results
    rounds = round_seconds(results, "decode")
    found = [
        Comparison(
            f"{variant.name} asked for ×{wanted:g}, got",
            _over(results, rounds, (REFERENCE, ENGINE), (variant.name, ENGINE)),
            "lower",
            neutral=wanted,
        )
        for variant in results.variants.values()
        if variant.method == method and (variant.name, ENGINE) in rounds
        if (wanted := float(variant.options.get("speedup") or variant.plan.ideal_speedup))
    ]
    found = [comparison for comparison in found if not math.isnan(comparison.estimate.value)]
    names = [comparison.what.split(" ")[0] for comparison in found]
    where = evidence.where(evidence.machine(*names, kind="latency", backend=ENGINE))
    return direction("Decoding", found, where, f"latencies of dense and {method}")


def beats_tensor_parallel(
    evidence: ClaimEvidence, claim: Claim, ranks: int, tensor_parallel_size: int = 1
) -> Finding:
    """Decoding in plain groups over dense in tensor parallel, on as many ranks."""
    results, backend = evidence.results, f"ranks-{ranks}"
    rounds = round_seconds(results, "decode")
    layouts = {
        record.variant: record.layout
        for record in results.measured
        if isinstance(record, LatencyResult) and record.backend.name == backend
    }
    found = [
        Comparison(
            f"{variant.name} / dense",
            _over(results, rounds, (variant.name, backend), (REFERENCE, backend)),
            "lower",
        )
        for variant in results.variants.values()
        if bypass_mode(variant) == "none" and (REFERENCE, backend) in rounds
        if (layout := layouts.get(variant.name)) and layout["group_parallel_size"] > 1
        if layout["tensor_parallel_size"] == tensor_parallel_size
    ]
    where = evidence.where(evidence.machine(REFERENCE, kind="latency", backend=backend))
    about = f"Time of a decoded token in groups over tensor parallel, {ranks} ranks"
    needs = f"latencies on {ranks} ranks of dense and of groups of tensor-parallel size {tensor_parallel_size}"
    return direction(about, found, where, needs)


def slow_base_inflates(evidence: ClaimEvidence, claim: Claim, method: str) -> Finding:
    """How much of a cut is owed to the base: the engine's dense pass, or a slower one."""
    results = evidence.results
    rounds = round_seconds(results, "decode")
    if (REFERENCE, "transformers") not in rounds or (REFERENCE, ENGINE) not in rounds:
        return not_tested("latencies of dense by engine and by generate of Transformers")
    slower = _over(results, rounds, (REFERENCE, "transformers"), (REFERENCE, ENGINE))
    cuts = "; ".join(
        f"{variant.name} cuts {_cut(results, rounds, variant, 'transformers')} % of the slow base "
        f"and {_cut(results, rounds, variant, ENGINE)} % of the engine's dense"
        for variant in results.variants.values()
        if variant.method == method and bypass_mode(variant) == "none"
        if (variant.name, ENGINE) in rounds
    )
    if not cuts:
        return not_tested(f"latencies of groups by {method} without bypass")
    where = evidence.where(evidence.machine(REFERENCE, kind="latency", backend=ENGINE))
    return direction(
        f"Decoding on one device; {cuts}",
        [Comparison("slow base / engine's dense", slower, "higher")],
        where,
        "",
    )


def committed_order(evidence: ClaimEvidence, claim: Claim, systems: Sequence[str]) -> Finding:
    """Decoding of arms that committed benches interleaved, the fastest first."""
    found, places = [], []
    for committed in evidence.committed:
        rounds = {system.name: decode_seconds(system) for system in committed.bench.systems}
        if not set(systems) <= set(rounds):
            continue
        provenance = committed.bench.provenance
        bootstrap = Bootstrap(confidence=0.95, resamples=9999, seed=provenance.seed)
        found += [
            Comparison(
                f"{slow} / {fast}", bootstrap.ratio_of_medians(rounds[slow], rounds[fast]), "higher"
            )
            for fast, slow in pairwise(systems)
        ]
        hardware = provenance.hardware
        chips = ", ".join([hardware.cpu, *hardware.accelerators])
        places.append(
            f"{committed.bench.model.name} on {hardware.cores} cores of {chips}, "
            f"benchmarks/history/{committed.place}"
        )
    needs = f"a committed bench with {', '.join(systems)}"
    return direction("Time of a decoded token", found, "; ".join(places), needs)


def _cut(
    results: Results, rounds: dict[tuple[str, str], np.ndarray], variant: ReportedVariant, base: str
) -> str:
    ratio = _over(results, rounds, (variant.name, ENGINE), (REFERENCE, base))
    cut = ratio.map(lambda share: 1 - share)
    return number_format.with_interval(cut, number_format.percent)


def _over(
    results: Results,
    rounds: dict[tuple[str, str], np.ndarray],
    above: tuple[str, str],
    below: tuple[str, str],
) -> Estimate:
    """Ratio of two (variant, path), whose rounds ran interleaved."""
    if above not in rounds or below not in rounds:
        return NO_ESTIMATE
    return bootstrap_of(results).ratio_of_medians(rounds[above], rounds[below])

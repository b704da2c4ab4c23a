"""What to choose, by situation; a row says whether it was measured or projected."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.answers.answer import Choice, factor
from reports.answers.projected import projected_choices
from reports.data.measured_on import machine
from reports.data.number_format import times
from reports.data.results import ENGINE, Results
from reports.estimates.estimates import Estimates
from reports.estimates.latency import speedup_over
from reports.estimates.quality import over_all_texts

FLOOR = 1.1
"""Perplexity over dense that the row of the quality floor allows."""
USABLE = 10
"""Beyond this multiple of dense's perplexity a model writes no text that anybody would choose."""
MAX_LISTED = 5


def choices(results: Results, estimates: Estimates) -> list[Choice]:
    """The rows that this run can fill, and the projected ones."""
    rows = [*_one_device(results, estimates), *_ranks(results, estimates)]
    rows += [*_quality_floor(results, estimates), *projected_choices()]
    return rows


def _known(results: Results, estimates: Estimates) -> dict[str, Estimate]:
    """Variant -> perplexity over dense, of those that were timed on one device as scored."""
    ratios = over_all_texts(estimates.perplexities, "ratio")
    return {
        name: ratio
        for name, ratio in ratios.items()
        if (name, ENGINE) in estimates.rounds and results.timed_as_scored(name)
        if ratio.value <= USABLE
    }


def _speedup(results: Results, estimates: Estimates, name: str, base: str = REFERENCE) -> Estimate:
    return speedup_over(results, estimates.rounds, (name, ENGINE), (base, ENGINE))


def speed_front(results: Results, estimates: Estimates) -> list[str]:
    """Variants by loss, each faster than every one that loses less, beyond the noise of both."""
    known = _known(results, estimates)
    front: list[str] = []
    for name in sorted(known, key=lambda name: known[name].value):
        faster = all(
            _speedup(results, estimates, name, other).verdict(1) == "higher" for other in front
        )
        if name == REFERENCE or (front and faster):
            front.append(name)
    return front


def _one_device(results: Results, estimates: Estimates) -> Iterator[Choice]:
    front = speed_front(results, estimates)
    if not front:
        return
    ratios = _known(results, estimates)
    listed = [name for name in front if name != REFERENCE]
    if not listed:
        yield Choice("One device", "dense", "Nothing is faster beyond the noise.", _basis(results))
        return
    speedups = {name: _speedup(results, estimates, name) for name in listed[:MAX_LISTED]}
    phrases = "; ".join(
        f"{name} {factor(speedup)} at perplexity {times(ratios[name].value)}"
        for name, speedup in speedups.items()
    )
    why = (
        f"In the order of perplexity, each faster than those before it: {phrases}. Nothing beyond "
        f"×{USABLE} in perplexity is listed."
    )
    yield Choice(
        "One device",
        f"dense, or for more speed {', '.join(listed[:MAX_LISTED])}",
        why,
        _basis(results),
    )


def _ranks(results: Results, estimates: Estimates) -> Iterator[Choice]:
    """The fastest on each number of ranks, beside dense on one device."""
    rounds = estimates.rounds
    for backend in results.backends.values():
        dense = (REFERENCE, backend.reference)
        if backend.ranks == 1 or backend.mode != "eager" or dense not in rounds:
            continue
        speedups = {
            name: speedup_over(results, rounds, (name, backend.name), dense)
            for name in results.variants
            if (name, backend.name) in rounds
            if results.variants[name].family in ("dense", "cqil")
        }
        if not speedups:
            continue
        best = max(speedups, key=lambda name: speedups[name].value)
        wins = speedups[best].verdict(1) == "higher"
        what = "dense by tensor parallelism" if best == REFERENCE else best
        why = (
            f"The fastest there that keeps all layers is {what}, {factor(speedups[best])} as fast "
            "as dense on one device."
        )
        yield Choice(
            f"{backend.label}, linked as here",
            what if wins else "one device",
            why,
            _basis(results, backend.name),
        )


def _quality_floor(results: Results, estimates: Estimates) -> Iterator[Choice]:
    """The fastest variant whose whole interval of perplexity lies below the floor."""
    known = {n: e for n, e in _known(results, estimates).items() if n != REFERENCE}
    if not known:
        return
    situation = f"Perplexity at most {100 * (FLOOR - 1):.0f} % above dense"
    kept = [name for name, ratio in known.items() if ratio.verdict(FLOOR) == "lower"]
    faster = {n: e for n in kept if (e := _speedup(results, estimates, n)).verdict(1) == "higher"}
    if faster:
        best = max(faster, key=lambda name: faster[name].value)
        why = f"{factor(faster[best])} as fast at perplexity {factor(known[best])} of dense."
        yield Choice(situation, best, why, _basis(results))
        return
    nearest = min(known, key=lambda name: known[name].value)
    why = (
        f"No variant keeps to it and is faster; the nearest is {nearest}, {factor(known[nearest])}."
    )
    yield Choice(situation, "dense", why, _basis(results))


def _basis(results: Results, backend: str = ENGINE) -> str:
    return f"measured: {machine(results.timed_by_backend[backend])}"

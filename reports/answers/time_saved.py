"""Does grouping save time: on one device, on ranks, beside tensor parallelism, beside removal?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.config.sections import REFERENCE
from benchmarks.results.statistics import Estimate
from reports.answers.answer import MAX_PHRASES, Answer, count_above, factor, largest
from reports.data.number_format import times
from reports.data.results import ENGINE, Results
from reports.estimates.comparisons import RANDOM
from reports.estimates.estimates import Estimates
from reports.estimates.latency import speedup_over

QUESTION = "Does grouping save time here?"
Speedups = Mapping[str, Estimate]
"""Variant -> how many times as fast its decoded tokens are."""


def time_saved(results: Results, estimates: Estimates) -> Answer:
    """Speed of a decoded token in groups, each sentence with what it is compared to."""
    grouped = [v.name for v in results.unhealed if v.family == "cqil"]
    timed = {backend for name, backend in estimates.rounds if name in grouped}
    if not timed:
        return Answer(QUESTION, "Not measured.", "No grouped plan was timed in this run.")
    verdicts, numbers = [], []
    if ENGINE in timed:
        here = _speedups(estimates, grouped, ENGINE, (REFERENCE, ENGINE))
        verdicts.append(f"{yes_or_no(here)} on one device")
        numbers.append(f"On one device {_sentence(here, 'dense')}")
        numbers += _end_to_end(results, estimates, here)
        numbers += _beside_removal(results, estimates, grouped)
    for backend in results.backends.values():
        if backend.ranks > 1 and backend.name in timed:
            alone = _speedups(estimates, grouped, backend.name, (REFERENCE, backend.reference))
            beside = _speedups(estimates, grouped, backend.name, (REFERENCE, backend.name))
            slower = {estimate.verdict(1) for estimate in alone.values()} == {"lower"}
            than = ", where it is slower than dense on one device" if slower else ""
            verdicts.append(f"{yes_or_no(alone)} on {backend.label}{than}")
            numbers += _on_ranks(backend.label, alone, beside)
    text = "; ".join(verdicts)
    return Answer(QUESTION, f"{text[:1].upper()}{text[1:]}.", " ".join(numbers))


def _speedups(
    estimates: Estimates, variants: list[str], backend: str, base: tuple[str, str]
) -> dict[str, Estimate]:
    """Of the variants that ran on the backend, over `base`; empty where that was not timed."""
    rounds = estimates.rounds
    return {
        name: speedup_over(estimates.results, rounds, (name, backend), base)
        for name in variants
        if (name, backend) in rounds and base in rounds
    }


def yes_or_no(speedups: Speedups) -> str:
    sides = {estimate.verdict(1) for estimate in speedups.values()}
    if "higher" in sides:
        return "yes"
    return "no" if sides == {"lower"} else "not shown"


def _sentence(speedups: Speedups, base: str) -> str:
    if not speedups:
        return f"{base} was not timed."
    if len(speedups) == 1:
        return "; ".join(f"{n} is {factor(e)} as fast as {base}" for n, e in speedups.items()) + "."
    best = largest(speedups)
    return (
        f"{count_above(speedups)} grouped plans decode faster than {base}; the fastest is {best}, "
        f"{factor(speedups[best])} as fast."
    )


def _end_to_end(results: Results, estimates: Estimates, speedups: Speedups) -> Iterator[str]:
    """The fastest to decode, with the prompt counted in."""
    if speedups:
        best = largest(speedups)
        pair, base = (best, ENGINE), (REFERENCE, ENGINE)
        both = speedup_over(results, estimates.rounds, pair, base, "end to end")
        yield f"Counting the prompt too, {best} is {factor(both)} as fast."


def _on_ranks(label: str, alone: Speedups, beside: Speedups) -> Iterator[str]:
    yield f"On {label} {_sentence(beside, 'dense split over them (tensor parallelism)')}"
    if alone:
        best = largest(alone)
        yield f"Beside dense on one device {best} is {factor(alone[best])} as fast there."


def _beside_removal(results: Results, estimates: Estimates, names: list[str]) -> Iterator[str]:
    """Removal over groups of its depth, one device; the fastest of each at each depth."""
    rounds = estimates.rounds
    by_depth: dict[float, list[str]] = {}
    for name in names:
        if (name, ENGINE) in rounds:
            by_depth.setdefault(results.variants[name].plan.depth, []).append(name)
    ratios: dict[str, Estimate] = {}
    for depth, grouped in sorted(by_depth.items(), reverse=True):
        removal = [
            v.name
            for v in results.unhealed
            if v.family == "removal" and v.method != RANDOM and v.plan.depth == depth
            if (v.name, ENGINE) in rounds
        ]
        if removal:
            grouped_speeds = _speedups(estimates, grouped, ENGINE, (REFERENCE, ENGINE))
            removal_speeds = _speedups(estimates, removal, ENGINE, (REFERENCE, ENGINE))
            if not grouped_speeds or not removal_speeds:
                continue
            pair = largest(removal_speeds), largest(grouped_speeds)
            ratio = speedup_over(results, rounds, (pair[0], ENGINE), (pair[1], ENGINE))
            ratios[f"at depth {depth:g} ({pair[0]} / {pair[1]})"] = ratio
    if not ratios:
        return
    text = ", ".join(f"{factor(ratio)} as fast {where}" for where, ratio in ratios.items())
    if len(ratios) > MAX_PHRASES:
        values = [ratio.value for ratio in ratios.values()]
        text = f"{times(min(values))} to {times(max(values))} as fast at {len(ratios)} depths"
    yield f"Beside groups of the same depth, removal on one device is {text}."

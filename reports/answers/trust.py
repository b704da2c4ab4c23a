"""Can the times be trusted? The busy machine and the widest interval come first."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.results.schema_parts import MachineState
from benchmarks.results.statistics import Estimate
from reports.answers.answer import Answer, factor
from reports.data.number_format import significant
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.estimates.latency import aa_ratios, resolution

QUESTION = "Can these times be trusted?"
BUSY_CORES = 0.1
"""Cores that other processes may use during rounds before the page calls the machine busy."""
FINE = 0.1
"""Where smaller differences than this show everywhere, times are trusted without a reservation."""


def trust(results: Results, estimates: Estimates) -> Answer:
    """Whether dense equals itself, how busy the machine was, and what would not show."""
    latencies = estimates.latencies
    if latencies.empty:
        return Answer(QUESTION, "Nothing was timed.")
    unseen = resolution(results, latencies)
    faults, busy = list(_faults(results)), list(_busy(results))
    if faults:
        verdict = "No: dense differs from itself."
    elif busy:
        verdict = "With care: the machine was busy."
    elif max(unseen.values(), default=0) > FINE:
        verdict = "Only large differences."
    else:
        verdict = "Yes."
    return Answer(QUESTION, verdict, " ".join([*busy, *_unseen(results, unseen), *_aa(results)]))


def _faults(results: Results) -> Iterator[str]:
    """Backends on which the decode time of dense differs from itself."""
    for row in _aa_decode(results).to_dict("records"):
        if row["ratio"].verdict(1) != "not distinguishable":
            yield row["backend"]


def _aa_decode(results: Results) -> pd.DataFrame:
    rows = aa_ratios(results)
    return rows[rows["phase"] == "decode"]


def _busy(results: Results) -> Iterator[str]:
    states: list[MachineState] = []
    for record in results.latency_records:
        if record.machine_state is not None and record.machine_state not in states:
            states.append(record.machine_state)
    for state in states:
        others = state.other_cores_during
        if others is not None and others > BUSY_CORES:
            yield f"Other processes took {others:.1f} cores during the rounds."
        yield from (f"Warning: {warning}." for warning in state.warnings)


def _unseen(results: Results, unseen: dict[str, float]) -> Iterator[str]:
    if unseen:
        shares = ", ".join(
            f"{difference_in_words(share)} ({results.backends[name].label})"
            for name, share in unseen.items()
        )
        yield f"Differences under these may not show (the widest interval): {shares}."


def difference_in_words(share: float) -> str:
    """In percent, or as a factor where percents would mislead."""
    return f"{100 * share:.0f} %" if share < 0.5 else f"a factor of {significant(1 + share, 2)}"


def _aa(results: Results) -> Iterator[str]:
    ratios: dict[str, list[Estimate]] = {}
    for row in _aa_decode(results).to_dict("records"):
        ratios.setdefault(results.backends[row["backend"]].label, []).append(row["ratio"])
    if not ratios:
        yield "Dense was not timed a second time, so nothing tells how far it differs from itself."
        return
    listed = ", ".join(
        f"{label} {', '.join(map(factor, of_backend))}" for label, of_backend in ratios.items()
    )
    yield f"Dense, timed a second time, over dense: {listed}."

"""What tells whether times can be trusted, in sentences: A/A check, end of rounds, the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.result_schema import LatencyResult
from benchmarks.results.schema_parts import GpuSnapshot, MachineSnapshot, MachineState
from reports.data.number_format import times, with_interval
from reports.data.results import Results
from reports.estimates.latency import aa_ratios


def checks(results: Results) -> Iterator[tuple[str, str]]:
    """(what, finding) for every workload that was timed."""
    again = aa_ratios(results)
    for workload in results.workloads:
        records = [r for r in results.latency_records if r.workload_name == workload]
        if not records:
            continue
        suffix = f", {workload}" if len(results.workloads) > 1 else ""
        aa_control = again[again["workload"] == workload]
        for backend, rows in aa_control.groupby("backend", sort=False):
            yield f"A/A check, {results.backends[backend].label}{suffix}", _aa_finding(rows)
        first = next((r for r in records if r.variant == REFERENCE), records[0])
        yield f"Rounds{suffix}", _rounds_finding(first)
        if first.machine_state is not None:
            yield f"The machine{suffix}", _machine_finding(first.machine_state)


def _aa_finding(rows: pd.DataFrame) -> str:
    """Dense over itself; an interval that leaves 1 out is a fault of the measurement."""
    ratios, faults = [], []
    for phase, ratio in zip(rows["phase"], rows["ratio"], strict=True):
        ratios.append(f"{phase} {with_interval(ratio, times)}")
        if ratio.verdict(1) != "not distinguishable":
            faults.append(phase)
    text = f"dense over dense again: {', '.join(ratios)}"
    if faults:
        return (
            f"{text}. Warning: dense differs from itself ({', '.join(faults)}), so differences of "
            "this size may be noise."
        )
    return f"{text}: not told apart, as it should be."


def _rounds_finding(record: LatencyResult) -> str:
    """How many rounds there are, and why there are no more."""
    workload, text = record.workload, f"{len(record.samples)} rounds"
    if record.stop_reason is None:
        return f"{text}."
    precision = workload.get("precision")
    reasons = {
        "precision": "until every interval of a ratio to dense was narrower than "
        f"{100 * (precision or 0):g} % of it",
        "budget": f"when the budget of {workload.get('budget_s')} s was over",
        "rounds": "as many as were allowed",
    }
    is_wide = record.stop_reason != "precision" and precision
    warning = "; not every interval is as narrow as asked for" if is_wide else ""
    return f"{text}, {reasons[record.stop_reason]}{warning}."


def _machine_finding(state: MachineState) -> str:
    others = ""
    if state.other_cores_during is not None:
        others = f"others took {100 * state.other_cores_during:.0f} % of a core meanwhile. "
    snapshots = f"Before: {_snapshot(state.before)}. After: {_snapshot(state.after)}."
    return others + snapshots + "".join(f" Warning: {warning}." for warning in state.warnings)


def _snapshot(snapshot: MachineSnapshot) -> str:
    """What the machine tells of itself at one moment."""
    parts = [
        f"load {snapshot.load_average[0]:.2f}" if snapshot.load_average else "",
        f"{snapshot.cpu_mhz:.0f} MHz" if snapshot.cpu_mhz else "",
        f"{snapshot.cpu_celsius:.0f} °C" if snapshot.cpu_celsius else "",
    ]
    parts += [f"GPU {number}: {_gpu(gpu)}" for number, gpu in enumerate(snapshot.gpus)]
    return ", ".join(filter(None, parts)) or "nothing is known"


def _gpu(gpu: GpuSnapshot) -> str:
    readings = {
        "MHz": gpu.sm_mhz,
        "W": gpu.watts,
        "°C": gpu.celsius,
        "% busy": gpu.busy_percent,
    }
    return ", ".join(f"{value:g} {unit}" for unit, value in readings.items() if value is not None)

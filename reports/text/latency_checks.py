"""What tells whether the times can be trusted, in sentences: A/A, why rounds ended, the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.latency.targets import REFERENCE
from benchmarks.results.measurements import LatencyResult
from benchmarks.results.schema import MachineSnapshot, MachineState
from reports.data.results_folder import Results
from reports.data.sample_frames import workload_of
from reports.estimates.latency import aa_rows
from reports.tables import number_format


def checks(results: Results, latencies: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(what, finding) for every workload that was timed."""
    several = len(results.workloads) > 1
    for workload in results.workloads:
        records = [r for r in results.measured if _is_of(r, workload)]
        if not records:
            continue
        where = f", {workload}" if several else ""
        own = aa_rows(latencies[latencies["workload"] == workload])
        for backend, rows in own.groupby("backend", sort=False):
            yield f"A/A check, {results.backends[backend].label}{where}", _same(rows)
        first = next((r for r in records if r.variant == REFERENCE), records[0])
        yield f"Rounds{where}", _stopped(first)
        if first.machine_state is not None:
            yield f"The machine{where}", _machine(first.machine_state)


def _is_of(record: object, workload: str) -> bool:
    return isinstance(record, LatencyResult) and workload_of(record) == workload


def _same(rows: pd.DataFrame) -> str:
    """Dense over itself; an interval that leaves 1 out is a fault of the measurement."""
    found, faults = [], []
    for phase, ratio in zip(rows["phase"], rows["ratio"], strict=True):
        found.append(f"{phase} {number_format.with_interval(ratio, number_format.times)}")
        if ratio.verdict(1) != "not distinguishable":
            faults.append(phase)
    text = f"dense over dense again: {', '.join(found)}"
    if faults:
        return (
            f"{text}. Warning: dense differs from itself ({', '.join(faults)}), so differences of "
            "this size may be noise."
        )
    return f"{text}: no difference, as it must be."


def _stopped(record: LatencyResult) -> str:
    work, count = record.workload, len(record.samples)
    reasons = {
        "precision": "until every interval of a ratio to dense was narrower than "
        f"{100 * (work.get('precision') or 0):g} % of it",
        "budget": f"when the budget of {work.get('budget_s')} s was over",
        "rounds": "as many as were allowed",
    }
    text = f"{count} rounds"
    if record.stopped is None:
        return f"{text}."
    wide = record.stopped != "precision" and work.get("precision")
    aim = "; not every interval is as narrow as asked for" if wide else ""
    return f"{text}, {reasons[record.stopped]}{aim}."


def _machine(found: MachineState) -> str:
    others = found.others_during
    taken = "" if others is None else f"others took {100 * others:.0f} % of a core meanwhile. "
    changed = f"Before: {_moment(found.before)}. After: {_moment(found.after)}."
    return taken + changed + "".join(f" Warning: {warning}." for warning in found.warnings)


def _moment(moment: MachineSnapshot) -> str:
    parts = [
        f"load {moment.load_average[0]:.2f}" if moment.load_average else "",
        f"{moment.cpu_mhz:.0f} MHz" if moment.cpu_mhz else "",
        f"{moment.cpu_celsius:.0f} °C" if moment.cpu_celsius else "",
    ]
    for number, gpu in enumerate(moment.gpus):
        known = zip(
            (gpu.sm_mhz, gpu.watts, gpu.celsius, gpu.busy_percent),
            ("MHz", "W", "°C", "% busy"),
            strict=True,
        )
        cells = [f"{value:g} {unit}" for value, unit in known if value is not None]
        parts.append(f"GPU {number}: {', '.join(cells)}")
    return ", ".join(filter(None, parts)) or "nothing is known"

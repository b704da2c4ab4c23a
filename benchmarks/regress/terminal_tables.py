"""The result of the gate as tables in a terminal. Imports no torch."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.regress.gate_record import CountComparison, GateResult, TimeComparison

STYLES = {"slower": "bold red", "MORE": "bold red", "undecided": "yellow", "faster": "green"}


def print_gate_result(gate: GateResult, console: Console) -> None:
    """Prints the counts that differ, every time, and the verdict."""
    hardware = gate.provenance.hardware
    console.print(f"base {gate.base[:12]}, head: working tree; {hardware.cpu}")
    if gate.counts:
        _show_counts(gate.counts, console)
    if gate.times:
        _show_times(gate.times, console)
    compared = len(gate.counts) + len(gate.times)
    if gate.failures:
        console.print(f"regression: {len(gate.failures)} of {compared}", style="bold red")
    else:
        console.print("no regression", style="green")


def _show_counts(counts: list[CountComparison], console: Console) -> None:
    changed = [count for count in counts if count.base != count.head]
    console.print(f"{len(counts) - len(changed)} of {len(counts)} exact counts are equal")
    if not changed:
        return
    table = Table("count", "base", "head", "verdict")
    for count in changed:
        verdict = _verdict(count)
        table.add_row(
            count.name, _number(count.base), _number(count.head), verdict, style=STYLES.get(verdict)
        )
    console.print(table)


def _verdict(count: CountComparison) -> str:
    if count.fails:
        return "GONE" if count.head is None else "MORE"
    if count.base is None:
        return "new"
    return "accepted" if count.accepted else "fewer"


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _show_times(times: list[TimeComparison], console: Console) -> None:
    table = Table("time", "head / base", "90 % interval", "limit", "verdict")
    for time in times:
        table.add_row(
            time.name,
            f"{time.ratio:.3f}",
            f"{time.low:.3f} to {time.high:.3f}",
            f"{1 + time.limit:.3f}",
            time.verdict,
            style=STYLES.get(time.verdict),
        )
    console.print(table)
    process_pairs, rounds = len(times[0].base), len(times[0].base[0])
    console.print(
        f"{process_pairs} pairs of processes of {rounds} rounds; slower: the whole interval is "
        "above the limit; undecided: part of it is"
    )

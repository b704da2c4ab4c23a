"""What results were measured on, in the words that tables, figures and sentences share."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.results.result_schema import LatencyResult, Result
from benchmarks.results.schema_parts import Provenance
from cqil.engine.options import PROCESS_GROUP_BACKENDS
from reports.data.healing import HealedHere
from reports.data.results import Results


def machine(record: Result) -> str:
    """What one result was measured on."""
    ranks = record.backend.ranks if isinstance(record, LatencyResult) else 1
    return _machine(record.provenance, f"{ranks} ranks of " if ranks > 1 else "")


def _machine(ran_on: Provenance | HealedHere, of_each: str = "") -> str:
    hardware = ran_on.hardware
    chips = ", ".join([hardware.cpu, *hardware.accelerators])
    return (
        f"{chips}; device {ran_on.device}, {of_each}{ran_on.threads} of {hardware.cores} "
        f"threads, {ran_on.dtype}"
    )


def healing_machines(results: Results) -> str:
    """What the healed variants were healed on, with their names where it differs."""
    names_by_machine: dict[str, list[str]] = {}
    for variant in results.healed:
        for step in variant.healing:
            if isinstance(step, HealedHere):
                names = names_by_machine.setdefault(_healing_machine(results, step), [])
                names.append(variant.name)
    if len(names_by_machine) < 2:
        return next(iter(names_by_machine), "")
    return "; ".join(
        f"{machine} ({', '.join(dict.fromkeys(names))})"
        for machine, names in names_by_machine.items()
    )


def _healing_machine(results: Results, step: HealedHere) -> str:
    """Trainings run on all devices of the configuration, refits on one."""
    processes = results.config["healing"]["processes"] if step.method != "refit" else 1
    return _machine(step, f"{processes} processes of " if processes > 1 else "")


def machines(results: Results) -> list[str]:
    """Each distinct machine with the kinds of results that were measured on it."""
    kinds_by_machine: dict[str, set[str]] = {}
    for record in results.measured:
        kinds_by_machine.setdefault(machine(record), set()).add(record.kind.replace("_", " "))
    return [f"{', '.join(sorted(kinds))}: {name}" for name, kinds in kinds_by_machine.items()]


def scoring_machines(results: Results) -> str:
    """What perplexities and accuracies were measured on."""
    scored = (r for r in results.measured if r.kind in ("perplexity", "multiple_choice"))
    return "; ".join(dict.fromkeys(map(machine, scored))) or "nothing"


def latency_machine(results: Results) -> str:
    """The machine alone; all latencies of a run share one session."""
    return machine(results.latency_records[0])


def latency_setting(results: Results) -> str:
    """What every latency caption says: the workload, the machine, and what ranks are."""
    records = results.latency_records
    if not records:
        return "Nothing was timed."
    prompts, decoded, batches = (
        _distinct(record.workload[key] for record in records)
        for key in ("prompt_tokens", "new_tokens", "batch")
    )
    workload = (
        f"Prompt of {prompts} tokens, {decoded} decoded, batch {batches}; {machine(records[0])}."
    )
    first = results.timed_by_backend
    ranks = (_ranks(first[backend]) for backend in results.backends if backend in first)
    return " ".join([workload, *filter(None, ranks)])


def _distinct(values: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(values))))


def _ranks(record: LatencyResult) -> str:
    """What ranks are; empty for one device, and for other modes of the same ranks."""
    ranks, provenance = record.backend.ranks, record.provenance
    if ranks == 1 or record.backend.mode != "eager":
        return ""
    threads = f"{provenance.threads} thread{'s' if provenance.threads > 1 else ''}"
    parts = f"processes of {threads} each" if provenance.device == "cpu" else "one GPU each"
    return f"{ranks} ranks: {parts}, linked by {PROCESS_GROUP_BACKENDS[provenance.device]}."

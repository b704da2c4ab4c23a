"""Where the numbers come from: hardware, model, texts, code, commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchmarks.config.assets import ASSETS
from benchmarks.results.measurements import KINDS, LatencyResult, Result
from benchmarks.results.schema import Provenance
from reports.data.results_folder import Results

COLLECTIVES = {"cpu": "gloo", "cuda": "nccl"}
"""What ranks communicate over, by device."""


def machine(record: Result) -> str:
    """What one result was measured on, in words."""
    provenance, hardware = record.provenance, record.provenance.hardware
    chips = ", ".join([hardware.cpu, *hardware.accelerators])
    ranks = record.backend.ranks if isinstance(record, LatencyResult) else 1
    of_each = f"{ranks} ranks of " if ranks > 1 else ""
    return (
        f"{chips}; device {provenance.device}, {of_each}{provenance.threads} of {hardware.cores} "
        f"threads, {provenance.dtype}"
    )


def machines(results: Results) -> list[str]:
    """Each distinct machine with what was measured on it."""
    measured: dict[str, set[str]] = {}
    for record in results.measured:
        measured.setdefault(machine(record), set()).add(record.kind)
    return [f"{', '.join(sorted(kinds))}: {name}" for name, kinds in measured.items()]


def latency_setting(results: Results) -> str:
    """What every latency caption says: the workload, the machine, and what ranks are."""
    if not (timed := _timed(results)):
        return "Nothing was timed."
    prompts, decoded, batches = (
        _any_of(record.workload[key] for record in timed)
        for key in ("prompt_tokens", "new_tokens", "batch")
    )
    workload = (
        f"Prompt of {prompts} tokens, {decoded} decoded, batch {batches}; {machine(timed[0])}."
    )
    first = {record.backend.name: record for record in reversed(timed)}
    ranks = (_ranks(first[path]) for path in list(results.backends) if path in first)
    return " ".join([workload, *filter(None, ranks)])


def _any_of(values: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(values))))


def _ranks(record: LatencyResult) -> str:
    """Nothing for one device; modes of the same ranks are told once."""
    count, found = record.backend.ranks, record.provenance
    if count == 1 or record.backend.mode != "eager":
        return ""
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    each = f"processes of {threads} each" if found.device == "cpu" else "one GPU each"
    return f"{count} ranks: {each}, linked by {COLLECTIVES[found.device]}."


def latency_machine(results: Results) -> str:
    """The machine alone; all latencies of a run share one session."""
    return machine(_timed(results)[0])


def _timed(results: Results) -> list[LatencyResult]:
    return [record for record in results.measured if isinstance(record, LatencyResult)]


def texts() -> dict[str, str]:
    """What the collections of assets.yaml are."""
    return {name: asset["note"] for name, asset in ASSETS["texts"].items()}


def facts(results: Results) -> list[tuple[str, str]]:
    """The provenance table; values that differ between results are listed with their number."""
    provenances = [record.provenance for record in results.records]
    scored = results.perplexity["text"].unique()
    windows = results.config["perplexity"]
    return [
        ("Model", f"{results.model.name}, {results.model.num_layers} layers"),
        ("Weights", f"sha256 {results.model.sha256}"),
        ("About the weights", results.model.note or "–"),
        ("Texts", "; ".join(f"{name}: {texts().get(name, 'own text')}" for name in scored)),
        (
            "Windows",
            f"{windows['window']} tokens from the start of a document; the first half is context, "
            "the second half is scored. Calibration documents are never scored.",
        ),
        ("Measured on", "; ".join(machines(results)) or "–"),
        ("Memory", _tally(f"{p.hardware.memory_gib} GiB" for p in provenances)),
        ("System", _tally(p.system for p in provenances)),
        ("Commit", _tally(_commit(p) for p in provenances)),
        ("Lock", _tally(f"sha256 {p.lock_sha256}" for p in provenances)),
        ("Python", _tally(p.python for p in provenances)),
        ("Packages", _tally(_packages(p) for p in provenances)),
        ("Seeds", _tally(str(p.seed) for p in provenances)),
        (
            "Measured between",
            f"{min(p.created for p in provenances)} and {max(p.created for p in provenances)}",
        ),
    ]


def _commit(provenance: Provenance) -> str:
    if provenance.commit is None:
        return "no checkout"
    return provenance.commit + (", with uncommitted changes" if provenance.dirty else "")


def _packages(provenance: Provenance) -> str:
    return ", ".join(f"{name} {version}" for name, version in provenance.packages.items())


def _tally(values: Iterable[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({count} results)" for value, count in counts.items())


def commands(results: Results) -> dict[str, str]:
    """One command of each kind of result, as it was run."""
    found = {kind: results.of_kind(kind) for kind in KINDS}
    return {kind: records[0].provenance.command for kind, records in found.items() if records}


def report_command(results: Results, only: str = "") -> str:
    """What makes the report again, or one figure or table of it."""
    folder = f"results/{results.config['name']}"
    command = f"python -m reports --results {folder} --out {folder}/report"
    return f"{command} --only {only}" if only else command

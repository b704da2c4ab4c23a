"""Where the numbers come from: model, texts, hardware, code and commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.config.assets import ASSETS
from benchmarks.results.result_kinds import KINDS
from benchmarks.results.schema_parts import Provenance
from reports.data.measured_on import machines
from reports.data.results import Results


def facts(results: Results) -> list[tuple[str, str]]:
    """The provenance table; values that differ between results are listed with their number."""
    provenances = [record.provenance for record in results.records]
    window = results.config["perplexity"]["window"]
    return [
        ("Model", f"{results.model.name}, {results.model.num_layers} layers"),
        ("Weights", f"sha256 {results.model.sha256}"),
        ("About the weights", results.model.note or "–"),
        ("Texts", "; ".join(f"{name}: {_about_text(name)}" for name in _scored_texts(results))),
        (
            "Windows",
            f"{window} tokens from the start of a document; the first half is context, "
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


def _scored_texts(results: Results) -> list[str]:
    return list(results.perplexity["text"].unique())


def _about_text(name: str) -> str:
    """The note of assets.yaml on a text collection."""
    return ASSETS["texts"][name]["note"] if name in ASSETS["texts"] else "own text"


def mixed_commits(results: Results) -> str:
    """Says so where results are not all of one clean commit; empty where they are."""
    commits = Counter(_commit(record.provenance) for record in results.measured)
    if len(commits) == 1 and not any(record.provenance.dirty for record in results.measured):
        return ""
    return f"Not of one clean commit of the suite: {_tally(commits.elements())}."


def _commit(provenance: Provenance) -> str:
    if provenance.commit is None:
        return "no checkout"
    return provenance.commit + (", with uncommitted changes" if provenance.dirty else "")


def _packages(provenance: Provenance) -> str:
    return ", ".join(f"{name} {version}" for name, version in provenance.packages.items())


def _tally(values: Iterable[str]) -> str:
    """The one value, or each distinct value with the number of results that have it."""
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({count} results)" for value, count in counts.items())


def commands(results: Results) -> dict[str, str]:
    """Kind of result -> the command that wrote the first result of that kind."""
    records_by_kind = {kind: results.of_kind(kind) for kind in KINDS}
    return {
        kind: records[0].provenance.command.replace("python ", f"{python_command()} ", 1)
        for kind, records in records_by_kind.items()
        if records
    }


def python_command() -> str:
    """How a fresh shell in the checkout names this Python: by its path where it lies within."""
    path = Path(os.path.abspath(sys.executable))  # not resolved: .venv holds a link
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here))) if path.is_relative_to(here) else "python"


def report_command(results: Results, only: str = "") -> str:
    """The command that makes the report, or one figure or table of it."""
    folder = f"results/{results.config['name']}"
    command = f"{python_command()} -m reports report --results {folder} --out {folder}/report"
    return f"{command} --only {only}" if only else command

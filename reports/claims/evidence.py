"""What checks may use: the results of a run, other claims, and benches of the repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.files import read_json
from benchmarks.results.result_schema import LatencyResult, Result
from reports.claims.registry import Claim, Quantity
from reports.data.measured_on import machine
from reports.data.results import Results
from reports.estimates.estimates import Estimates

HISTORY = Path(__file__).parents[2] / "benchmarks" / "history"


@dataclass(frozen=True)
class CommittedBench:
    """A bench of the repository."""

    folder: str
    """Name of its folder in the history."""
    bench: EngineBench


@dataclass(frozen=True)
class ClaimEvidence:
    """What checks may use."""

    estimates: Estimates
    claims: dict[str, Claim]
    """Every claim by its id."""
    committed: Sequence[CommittedBench] = ()

    @property
    def results(self) -> Results:
        """The results that the estimates are made from."""
        return self.estimates.results

    def published(self, reference: str) -> Quantity:
        """The value of a claim, by `claim-id/value name`. Raises ValueError for any other name."""
        claim, _, name = reference.partition("/")
        value = self.claims[claim].values.get(name) if claim in self.claims else None
        if not isinstance(value, Quantity):
            raise ValueError(f"{reference}: is no published number; write claim-id/value name")
        return value

    def machine(self, *variants: str, kind: str, backend: str | None = None) -> str:
        """What the variants were measured on; `kind` and `backend` select the measurements."""
        machines = dict.fromkeys(
            machine(record)
            for record in self.results.measured
            if record.kind == kind and record.variant in variants
            if backend is None or _backend_name(record) == backend
        )
        return "; ".join(machines)

    def where(self, machine: str) -> str:
        """The model and the machine, as the end of a sentence."""
        model = self.results.model
        return f"{model.name} ({model.num_layers} layers) on {machine}"


def _backend_name(record: Result) -> str | None:
    return record.backend.name if isinstance(record, LatencyResult) else None


def committed_benches(folder: Path = HISTORY) -> list[CommittedBench]:
    """Every bench under the folder; files of other kinds are skipped."""
    records = {path: read_json(path) for path in sorted(folder.rglob("*.json*"))}
    return [
        CommittedBench(path.parent.name, EngineBench.model_validate(record))
        for path, record in records.items()
        if isinstance(record, dict) and record.get("kind") == "bench"
    ]

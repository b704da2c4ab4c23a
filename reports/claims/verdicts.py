"""What can be said of a claim, and what it is said from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.files import read_json
from benchmarks.results.measurements import LatencyResult
from benchmarks.results.statistics import Estimate
from reports.claims.registry import Claim, Quantity
from reports.data import number_format
from reports.data.measured_on import machine
from reports.data.results import Results
from reports.estimates.estimates import Estimates

HISTORY = Path(__file__).parents[2] / "benchmarks" / "history"


class Verdict(StrEnum):
    """In the order in which the report counts them."""

    REPRODUCED = "reproduced"
    """Measured on the claim's own model, and the published number lies in our interval."""
    NOT_REPRODUCED = "not reproduced"
    """The same, and it does not."""
    HOLDS = "arithmetic holds"
    """This suite's plans and rules, or other published numbers, give the published digits."""
    FAILS = "arithmetic fails"
    """They do not."""
    CONFIRMED = "direction confirmed here"
    """Another model or machine: every comparison falls on the claimed side, interval and all. The
    size of the effect is not compared."""
    CONTRADICTED = "direction contradicted here"
    """The same, and every comparison falls on the other side."""
    UNDECIDED = "direction undecided here"
    """Intervals hold no difference, or comparisons disagree."""
    NOT_TESTED = "not tested in this run"
    """There is a check, and these results lack what it needs; the sentence says what."""
    OUT_OF_REACH = "out of reach here"
    """Nothing that the suite can run would answer."""
    NOT_SEEN = "not seen"
    """The number exists and was not seen, so there is nothing to compare with."""


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    sentence: str
    """Our number, its interval and its machine; or why there is none."""


@dataclass(frozen=True)
class CommittedBench:
    """A bench that lies in the repository."""

    place: str
    bench: EngineBench


@dataclass(frozen=True)
class ClaimEvidence:
    """All that checks may use."""

    estimates: Estimates
    claims: dict[str, Claim]
    committed: Sequence[CommittedBench] = ()

    @property
    def results(self) -> Results:
        return self.estimates.results

    def published(self, reference: str) -> Quantity:
        """The value that `claim-id/value name` names. Raises ValueError where there is none."""
        claim, _, name = reference.partition("/")
        value = self.claims[claim].values.get(name) if claim in self.claims else None
        if not isinstance(value, Quantity):
            raise ValueError(f"{reference}: is no published number; write claim-id/value name")
        return value

    def machine(self, *variants: str, kind: str, backend: str | None = None) -> str:
        """What these variants were measured on."""
        found = dict.fromkeys(
            machine(record)
            for record in self.results.measured
            if record.kind == kind and record.variant in variants
            if backend is None
            or (isinstance(record, LatencyResult) and record.backend.name == backend)
        )
        return "; ".join(found)

    def where(self, machine: str) -> str:
        """The model and what it ran on, as sentences end."""
        model = self.results.model
        return f"{model.name} ({model.num_layers} layers) on {machine}"


def committed_benches(folder: Path = HISTORY) -> list[CommittedBench]:
    """Every bench under the folder; results of other kinds are left alone."""
    files = {path: read_json(path) for path in sorted(folder.rglob("*.json*"))}
    return [
        CommittedBench(path.parent.name, EngineBench.model_validate(data))
        for path, data in files.items()
        if isinstance(data, dict) and data.get("kind") == "bench"
    ]


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def not_tested(needs: str) -> Finding:
    return Finding(Verdict.NOT_TESTED, f"Needs {needs}.")


@dataclass(frozen=True)
class Comparison:
    """One paired estimate; `better` is the side of `neutral` that the claim is on."""

    what: str
    estimate: Estimate
    claimed: str
    """`lower` or `higher`."""
    neutral: float = 1
    number: Callable[[float], str] = number_format.times

    @property
    def side(self) -> str:
        """confirmed, contradicted or undecided."""
        verdict = self.estimate.verdict(self.neutral)
        if verdict == "not distinguishable":
            return "undecided"
        return "confirmed" if verdict == self.claimed else "contradicted"

    def __str__(self) -> str:
        return f"{self.what} {number_format.with_interval(self.estimate, self.number)}"


def direction(about: str, comparisons: Sequence[Comparison], where: str, needs: str) -> Finding:
    """Unanimity decides; every comparison is named, those that disagree with the claim first."""
    if not comparisons:
        return not_tested(needs)
    sides = [comparison.side for comparison in comparisons]
    if set(sides) == {"confirmed"}:
        verdict = Verdict.CONFIRMED
    elif set(sides) == {"contradicted"}:
        verdict = Verdict.CONTRADICTED
    else:
        verdict = Verdict.UNDECIDED
    order = ("contradicted", "undecided", "confirmed")
    ordered = sorted(comparisons, key=lambda c: order.index(c.side))
    count = f" ({sides.count('confirmed')} of {len(sides)} as claimed)" if len(sides) > 1 else ""
    shown = "; ".join(map(str, ordered[:MOST])) + ("; …" if len(ordered) > MOST else "")
    return Finding(verdict, f"{about}{count}: {shown}. {where}.")


MOST = 6
"""Comparisons that one sentence lists."""

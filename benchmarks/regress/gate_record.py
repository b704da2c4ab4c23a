"""What a run of the gate writes: every count, every sample, and the machine. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmarks.regress.interval_rule import Verdict
from benchmarks.results.schema_parts import Provenance, Schema


class GateEffort(Schema):
    """How long the gate measures: it adds pairs of processes until the intervals are narrow."""

    pairs: int = Field(default=3, ge=2, description="Minimum number of pairs of processes")
    max_pairs: int = Field(default=6, ge=2, description="Maximum number of pairs of processes")
    rounds: int = Field(default=10, ge=5, description="Rounds of a pair; each runs both sides")
    budget_s: float = Field(
        default=30, gt=0, description="Seconds after which no pair of processes is added"
    )
    threads: int = Field(default=1, ge=1, description="PyTorch threads of each process")
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = Field(default=0, ge=0, description="Seed of orders and of intervals")


class CountComparison(Schema):
    """A quantity of one case, of which less is better; null where a side does not count it."""

    name: str = Field(description="CASE/PHASE/QUANTITY")
    base: int | None
    head: int | None
    accepted: bool = Field(description="The user lets this count grow")

    @property
    def fails(self) -> bool:
        """True where the count grew, or where the head does not count it any more."""
        if self.accepted or self.base is None:
            return False
        return self.head is None or self.head > self.base


class TimeComparison(Schema):
    """The seconds of one benchmark, and the verdict on them."""

    name: str = Field(description="CASE/PHASE")
    base: list[list[float]] = Field(
        description="Seconds by pair of processes and round; decode: of the median step"
    )
    head: list[list[float]]
    ratio: float = Field(description="Time of the head over time of the base")
    low: float = Field(description="Lower end of the interval of the ratio")
    high: float = Field(description="Upper end of the interval of the ratio")
    limit: float = Field(description="Allowed slowdown, as a share")
    verdict: Verdict


class GateResult(Schema):
    """The head compared with the base."""

    schema_version: Literal[2] = 2
    kind: Literal["regress"] = "regress"
    base: str = Field(description="Commit")
    effort: GateEffort
    provenance: Provenance = Field(
        description="Of the head; dirty where it has uncommitted changes"
    )
    counts: list[CountComparison]
    times: list[TimeComparison]

    @property
    def failures(self) -> list[str]:
        """Names of the counts and times that fail the gate."""
        slower = [time.name for time in self.times if time.verdict == "slower"]
        return [count.name for count in self.counts if count.fails] + slower


class GateTrial(Schema):
    """One gate of the experiment: two copies of one tree, the second one slowed or not."""

    number: int
    slowdown: float = Field(description="Share of a decode step that the head waits; 0 for A/A")
    seconds: float = Field(description="Duration of the gate")
    times: list[TimeComparison]

    @property
    def alarm(self) -> bool:
        """True where the verdict on any benchmark is "slower"."""
        return any(time.verdict == "slower" for time in self.times)

    @property
    def caught(self) -> bool:
        """True where the verdict on any benchmark of the slowed phase, decode, is "slower"."""
        return any(t.verdict == "slower" and t.name.endswith("/decode") for t in self.times)


class GateExperiment(Schema):
    """Trials of the gate on one machine, which show how often it is wrong."""

    schema_version: Literal[2] = 2
    kind: Literal["regress-experiment"] = "regress-experiment"
    commit: str
    effort: GateEffort
    limit: float
    slowdown: float
    provenance: Provenance
    trials: list[GateTrial]

"""What a run of the gate writes: every count and every sample, with what they ran on. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmarks.regress.interval_rule import Verdict
from benchmarks.results.schema import Provenance, Schema


class GateEffort(Schema):
    """How long is measured: pairings are added until the intervals are narrow."""

    pairs: int = Field(default=3, ge=2, description="Pairs of processes, at least")
    most_pairs: int = Field(default=6, ge=2, description="Pairs of processes, at most")
    rounds: int = Field(default=10, ge=5, description="Rounds of a pair; each runs both sides")
    budget_s: float = Field(default=30, gt=0, description="No pair is added after so many seconds")
    threads: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = Field(default=0, ge=0)


class CountComparison(Schema):
    """A quantity of one case, of which less is better; null where a side cannot tell it."""

    name: str = Field(description="CASE/PHASE/QUANTITY")
    base: int | None
    head: int | None
    accepted: bool = Field(description="The user has asked to let it grow")

    @property
    def fails(self) -> bool:
        """More than before, or no longer counted."""
        if self.accepted or self.base is None:
            return False
        return self.head is None or self.head > self.base


class TimeComparison(Schema):
    """A benchmark's seconds and what follows from them."""

    name: str = Field(description="ARM/PHASE")
    base: list[list[float]] = Field(description="Seconds by pair and round; decode: median step")
    head: list[list[float]]
    ratio: float = Field(description="Head over base")
    low: float
    high: float
    limit: float
    verdict: Verdict


class GateResult(Schema):
    """The head against the base."""

    schema_version: Literal[1] = 1
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
        slower = [time.name for time in self.times if time.verdict == "slower"]
        return [count.name for count in self.counts if count.fails] + slower


class GateTrial(Schema):
    """One gate of the experiment: two copies of the same code, the second perhaps slowed."""

    number: int
    slowdown: float = Field(description="Share of a decode step that the head waits; 0 for A/A")
    seconds: float = Field(description="How long the gate took")
    times: list[TimeComparison]

    @property
    def alarm(self) -> bool:
        """Any benchmark is said to be slower."""
        return any(time.verdict == "slower" for time in self.times)

    @property
    def caught(self) -> bool:
        """A benchmark of the slowed phase is said to be slower."""
        return any(t.verdict == "slower" and t.name.endswith("/decode") for t in self.times)


class GateExperiment(Schema):
    """How often the gate is wrong, on one machine."""

    schema_version: Literal[1] = 1
    kind: Literal["regress-experiment"] = "regress-experiment"
    commit: str
    effort: GateEffort
    limit: float
    slowdown: float
    provenance: Provenance
    trials: list[GateTrial]

"""Machines: what the model needs to know of one, measured by a probe or named in presets.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

import yaml
from pydantic import Field

from benchmarks.cost_model.fits import fit_line, fit_steps
from benchmarks.results.probe_record import MachineProbe, read_probe
from benchmarks.results.schema import Schema
from cqil.engine.options import ExecutionMode

PRESETS = Path(__file__).with_name("presets.yaml")
ANY = 0
"""Any number of ranks: each has a memory of its own."""


class LinkCost(NamedTuple):
    """A message of S bytes lasts alpha + beta x S."""

    alpha_s: float
    beta_s: float
    """Seconds a byte."""

    def seconds(self, size: float) -> float:
        return self.alpha_s + self.beta_s * size


@dataclass(frozen=True, kw_only=True)
class RankRate:
    """What one rank does a second."""

    bandwidth: float
    """Bytes of memory a second, at best."""
    efficiency: float
    """eta: the share of it that a decode step reaches besides its launches."""
    stage_s: float = 0.0
    """What a stage costs besides its bytes: launches, synchronisation, small operations."""
    flops_per_s: float = float("inf")

    @property
    def bytes_per_s(self) -> float:
        return self.bandwidth * self.efficiency


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Rates by ranks there are and ranks that read at once; links by kind and ranks they join."""

    name: str
    title: str
    source: str
    projected: bool
    """False where a probe measured it."""
    rates: Mapping[tuple[int, int], RankRate]
    links: Mapping[tuple[str, int], LinkCost]

    def rate(self, ranks: int, active_ranks: int) -> RankRate:
        """Ranks on one socket share its memory, so it matters how many of them read.

        Raises ValueError where that was not measured.
        """
        found = self.rates.get((ranks, active_ranks)) or self.rates.get((ANY, ANY))
        if found is None:
            # Between one reader and all, the busier is the safer figure.
            found = self.rates.get((ranks, ranks))
        if found is None:
            known = ", ".join(str(r) for r in sorted({ranks for ranks, _ in self.rates}))
            raise ValueError(
                f"machine: {self.name} was not measured with {ranks} ranks, but with {known}; "
                "probe it with --ranks"
            )
        return found

    def link(self, kind: str, ranks: int) -> LinkCost:
        """A kind that has no figures of its own costs as much as an all-reduce."""
        found = self.links.get((kind, ranks)) or self.links.get(("all_reduce", ranks))
        if found is None:
            known = ", ".join(str(n) for n in sorted({n for _, n in self.links})) or "no ranks"
            raise ValueError(
                f"machine: {self.name} has no figures for messages of {ranks} ranks, but of "
                f"{known}; use those, or probe a machine"
            )
        return found

    def with_latency(self, alpha_s: float) -> Machine:
        """The same machine where every message has this latency."""
        links = {key: LinkCost(alpha_s, link.beta_s) for key, link in self.links.items()}
        return replace(self, links=links)

    @classmethod
    def of_probe(cls, probe: MachineProbe, mode: ExecutionMode = "eager") -> Machine:
        """Raises ValueError where the mode was not probed."""
        rates = dict(_rates(probe, mode))
        if not rates:
            raise ValueError(f"mode: {mode!r} was not probed on this machine; use eager")
        where = ", ".join(probe.provenance.hardware.accelerators) or (
            f"{probe.provenance.hardware.cores} cores of {probe.provenance.hardware.cpu}"
        )
        return cls(
            name=f"probe, {mode}",
            title=where,
            source=f"measured {probe.provenance.created[:10]}",
            projected=False,
            rates=rates,
            links=dict(_links(probe, mode)),
        )


def _rates(probe: MachineProbe, mode: ExecutionMode) -> Iterator[tuple[tuple[int, int], RankRate]]:
    """Of each number of ranks and readers that decode steps were timed with."""
    places = {(s.ranks, s.active_ranks) for s in probe.steps if s.mode == mode}
    for ranks, active_ranks in sorted(places):
        steps = [
            s
            for s in probe.steps
            if (s.mode, s.ranks, s.active_ranks) == (mode, ranks, active_ranks)
        ]
        fit = fit_steps(
            [s.stages for s in steps], [median(s.seconds) for s in steps], steps[0].bytes
        )
        peaks = [r for r in probe.throughputs if (r.ranks, r.active_ranks) == (ranks, active_ranks)]
        best = {r.what: max(r.amount / s for s in r.seconds) for r in peaks}
        bandwidth = max(best["read"], best["copy"])
        yield (
            (ranks, active_ranks),
            RankRate(
                bandwidth=bandwidth,
                efficiency=fit.bytes_per_s / bandwidth,
                stage_s=fit.stage_s,
                flops_per_s=best["matmul"],
            ),
        )


def _links(probe: MachineProbe, mode: ExecutionMode) -> Iterator[tuple[tuple[str, int], LinkCost]]:
    """Under the load of a decode step where that was measured, since a model's messages are."""
    for kind, ranks in sorted({(m.kind, m.ranks) for m in probe.messages}):
        of_kind = [m for m in probe.messages if (m.kind, m.ranks) == (kind, ranks)]
        modes = {m.mode for m in of_kind}
        used = mode if mode == "cuda_graph" else "under_load" if "under_load" in modes else "eager"
        found = [m for m in of_kind if m.mode == used]
        if found:
            fit = fit_line([m.size for m in found], [median(m.seconds) for m in found])
            yield (kind, ranks), LinkCost(*fit)


class _Latency(Schema):
    alpha_us: float = Field(gt=0)
    us_per_mib: float = Field(ge=0)

    def link(self) -> LinkCost:
        return LinkCost(self.alpha_us * 1e-6, self.us_per_mib * 1e-6 / 2**20)


class Preset(Schema):
    """A machine that was not measured here. Every figure has its source."""

    title: str
    bandwidth: float = Field(gt=0, description="Bytes a second that the vendor names")
    efficiency: float = Field(gt=0, le=1)
    stage_us: float = Field(ge=0)
    tflops: float = Field(gt=0, description="Of products, as reached rather than as named")
    all_reduce: dict[int, _Latency]
    source: str
    confidence: Literal["high", "medium", "low"]
    guesses: list[str] = Field(description="Figures that no source gives")

    def machine(self, name: str) -> Machine:
        rate = RankRate(
            bandwidth=self.bandwidth,
            efficiency=self.efficiency,
            stage_s=self.stage_us * 1e-6,
            flops_per_s=self.tflops * 1e12,
        )
        return Machine(
            name=name,
            title=self.title,
            source=self.source,
            projected=True,
            rates={(ANY, ANY): rate},
            links={("all_reduce", n): latency.link() for n, latency in self.all_reduce.items()},
        )


@cache
def presets() -> dict[str, Preset]:
    table = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))
    return {name: Preset.model_validate(fields) for name, fields in table.items()}


def load_machine(text: str, mode: ExecutionMode = "eager") -> Machine:
    """A preset's name, or a file that `python -m benchmarks probe` wrote.

    Raises ValueError with one line where it is neither.
    """
    if text in presets():
        return presets()[text].machine(text)
    path = Path(text)
    if not path.is_file():
        raise ValueError(
            f"machine: {text!r} is no file and no preset; use one of {', '.join(presets())}"
        )
    return replace(Machine.of_probe(read_probe(path), mode), name=path.stem)

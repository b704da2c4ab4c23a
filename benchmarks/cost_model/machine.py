"""Machines of the cost model: measured by a probe, or named in presets.yaml. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from benchmarks.cost_model.fits import fit_link_costs, fit_rank_rates
from benchmarks.cost_model.rates import ANY, LinkCost, RankRate
from benchmarks.results.probe_record import MachineProbe, read_probe
from benchmarks.results.schema_parts import Schema
from cqil.engine.options import ExecutionMode

PRESETS_FILE = Path(__file__).with_name("presets.yaml")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Rates of ranks, and costs of messages between them."""

    name: str
    title: str
    source: str
    projected: bool
    """False where a probe measured the machine."""
    rates: Mapping[tuple[int, int], RankRate]
    """(ranks, ranks that read at the same time) -> rate of each."""
    links: Mapping[tuple[str, int], LinkCost]
    """(kind of message, ranks that take part) -> cost."""

    def rate(self, ranks: int, active_ranks: int) -> RankRate:
        """The rate of each of `active_ranks` that read at the same time, of `ranks` in all.

        Ranks on one socket share its memory. Raises ValueError where `ranks` was not measured.
        """
        rate = self.rates.get((ranks, active_ranks)) or self.rates.get((ANY, ANY))
        if rate is None:
            # Between one active rank and all, the rate of all is the safer estimate.
            rate = self.rates.get((ranks, ranks))
        if rate is None:
            known = ", ".join(str(r) for r in sorted({ranks for ranks, _ in self.rates}))
            raise ValueError(
                f"machine: {self.name} was not measured with {ranks} ranks, but with {known}; "
                "probe it with --ranks"
            )
        return rate

    def link(self, kind: str, ranks: int) -> LinkCost:
        """The cost of a kind of message; one that was not measured costs as an all-reduce.

        Raises ValueError where no message of `ranks` was measured.
        """
        cost = self.links.get((kind, ranks)) or self.links.get(("all_reduce", ranks))
        if cost is None:
            known = ", ".join(str(n) for n in sorted({n for _, n in self.links})) or "no ranks"
            raise ValueError(
                f"machine: {self.name} has no figures for messages of {ranks} ranks, but of "
                f"{known}; use those, or probe a machine"
            )
        return cost

    def with_latency(self, alpha_s: float) -> Machine:
        """This machine with one latency for all messages."""
        links = {key: LinkCost(alpha_s, link.beta_s) for key, link in self.links.items()}
        return replace(self, links=links)

    @classmethod
    def of_probe(cls, probe: MachineProbe, mode: ExecutionMode = "eager") -> Machine:
        """A probe's machine. Raises ValueError where the mode was not probed."""
        rates = fit_rank_rates(probe, mode)
        if not rates:
            raise ValueError(f"mode: {mode!r} was not probed on this machine; use eager")
        hardware = probe.provenance.hardware
        return cls(
            name=f"probe, {mode}",
            title=", ".join(hardware.accelerators) or f"{hardware.cores} cores of {hardware.cpu}",
            source=f"measured {probe.provenance.created[:10]}",
            projected=False,
            rates=rates,
            links=fit_link_costs(probe, mode),
        )


class _PresetLinkCost(Schema):
    alpha_us: float = Field(gt=0)
    us_per_mib: float = Field(ge=0)

    def link(self) -> LinkCost:
        return LinkCost(self.alpha_us * 1e-6, self.us_per_mib * 1e-6 / 2**20)


class Preset(Schema):
    """A machine that was not measured here, with the source of its figures."""

    title: str
    bandwidth: float = Field(gt=0, description="Bytes per second that the vendor states")
    efficiency: float = Field(gt=0, le=1)
    stage_us: float = Field(ge=0)
    tflops: float = Field(gt=0, description="Matrix products, as reached in practice")
    all_reduce: dict[int, _PresetLinkCost]
    source: str
    confidence: Literal["high", "medium", "low"]
    guesses: list[str] = Field(description="Figures that no source gives")

    def machine(self, name: str) -> Machine:
        """The preset as a machine of this name."""
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
            links={("all_reduce", ranks): cost.link() for ranks, cost in self.all_reduce.items()},
        )


@cache
def presets() -> dict[str, Preset]:
    """Name -> preset of presets.yaml."""
    table = yaml.safe_load(PRESETS_FILE.read_text(encoding="utf-8"))
    return {name: Preset.model_validate(fields) for name, fields in table.items()}


def load_machine(preset_or_file: str, mode: ExecutionMode = "eager") -> Machine:
    """The machine of a preset's name, or of a file that `python -m benchmarks probe` wrote.

    Raises ValueError with one line where it is neither.
    """
    if preset_or_file in presets():
        return presets()[preset_or_file].machine(preset_or_file)
    path = Path(preset_or_file)
    if not path.is_file():
        known = ", ".join(presets())
        raise ValueError(
            f"machine: {preset_or_file!r} is no file and no preset; use one of {known}"
        )
    return replace(Machine.of_probe(read_probe(path), mode), name=path.stem)

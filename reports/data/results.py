"""A results folder in memory: what a run asks for, every raw sample, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.result_schema import LatencyResult, Result
from benchmarks.results.schema_parts import BackendRecord, Model, RunRecord
from benchmarks.results.statistics import phase_times
from cqil.methods.evidence import LayerSimilarity
from cqil.methods.method import Look
from cqil.plan import LayerPlan
from reports.data.healing import HealingStep

ENGINE = "engine"
"""The backend of the engine on one device in eager mode."""

PhaseSeconds = dict[str, np.ndarray]
"""Phase -> [rounds] seconds."""
SAME_DEPTH = 0.5
"""Layers by which the depths of two measurements may differ and still be one."""


@dataclass(frozen=True)
class ReportedVariant:
    """A variant as its manifest describes it."""

    name: str
    method: str
    family: str
    options: dict[str, Any]
    plan: LayerPlan
    look: Look
    """How figures show it, as its method says."""
    early_exit: dict[str, Any] | None = None
    layers: float | None = None
    """Mean layers of a decoded token of its perplexity, where tokens leave early."""
    search: dict[str, Any] | None = None
    """The result of its search, where the method has one."""
    edits: list[dict[str, Any]] = field(default_factory=list)
    """Changes of the model's weights."""
    healing: list[HealingStep] = field(default_factory=list)
    """Those of the changes that heal, in their order."""

    @property
    def is_healed(self) -> bool:
        """Whether its weights were fitted to its plan."""
        return bool(self.healing)

    @property
    def depth(self) -> float:
        """Sequential layers of a decoded token; to a tenth where that differs between tokens."""
        return self.plan.depth if self.layers is None else round(self.layers, 1)


class StartLoss(BaseModel):
    """The loss of the groups that begin at one layer."""

    start: int
    nll: float
    """Nats a token, on calibration text."""


class StartSearch(BaseModel):
    """A search for the start of groups: its result file, without what the report does not read."""

    group_size: int
    depth: int
    grid: list[StartLoss]
    start: int
    """The chosen one."""


@dataclass(frozen=True)
class ScoredWindows:
    """One variant's windows of one text; each array is [windows]."""

    tokens: np.ndarray
    bytes: np.ndarray
    nll: np.ndarray
    """Nats, summed over the tokens of a window."""


@dataclass(frozen=True)
class Results:
    """Everything that a report is drawn from."""

    run: RunRecord
    model: Model
    variants: dict[str, ReportedVariant]
    """In the order of the configuration."""
    similarity: LayerSimilarity | None
    searches: list[StartSearch]
    perplexity: pd.DataFrame
    multiple_choice: pd.DataFrame
    generation: pd.DataFrame
    latency: pd.DataFrame
    records: list[Result]
    """Every result file, samples included."""
    missing: pd.DataFrame
    """What has no number: measurement, variant, status, reason."""
    bench: EngineBench | None = None
    """The engine's bench, where `bench.json` lies in the folder."""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the run."""
        return self.run.config

    @property
    def unhealed(self) -> list[ReportedVariant]:
        """Variants with the model's own weights; comparisons of plans are theirs alone."""
        return [variant for variant in self.variants.values() if not variant.is_healed]

    @property
    def healed(self) -> list[ReportedVariant]:
        """Variants whose weights were fitted to their plan."""
        return [variant for variant in self.variants.values() if variant.is_healed]

    @property
    def backends(self) -> dict[str, BackendRecord]:
        """What latencies were measured on, by name, in the order of the configuration."""
        return {backend.name: backend for backend in self.run.backends}

    @property
    def workloads(self) -> list[str]:
        """Names of the latency workloads, the smallest first."""
        return self.run.workloads

    def timed_variants(self, backend: str) -> set[str]:
        """Names of the variants that a backend times, the A/A control among them."""
        folder = f"latency/{backend}/"
        return {
            target.variant
            for target in self.run.targets
            if target.kind == "latency" and target.group.startswith(folder)
        }

    def of_kind(self, kind: str) -> list[Result]:
        """Every result file of one kind."""
        return [record for record in self.records if record.kind == kind]

    @property
    def measured(self) -> list[Result]:
        """Result files that hold numbers."""
        return [record for record in self.records if record.status == "ok"]

    @property
    def latency_records(self) -> list[LatencyResult]:
        """Latency files that hold numbers."""
        return [record for record in self.measured if isinstance(record, LatencyResult)]

    @cached_property
    def latency_by_key(self) -> dict[tuple[str, str, str], LatencyResult]:
        """(variant, backend, workload) -> its latency file, where it holds numbers."""
        return {(r.variant, r.backend.name, r.workload_name): r for r in self.latency_records}

    @cached_property
    def timed_by_backend(self) -> dict[str, LatencyResult]:
        """Backend -> its first latency file that holds numbers."""
        return {record.backend.name: record for record in reversed(self.latency_records)}

    @cached_property
    def windows(self) -> dict[str, dict[str, ScoredWindows]]:
        """Variant -> text -> its windows, in the order of the file."""
        windows: dict[str, dict[str, ScoredWindows]] = {}
        for (variant, text), rows in self.perplexity.groupby(["variant", "text"], sort=False):
            columns = (rows[name].to_numpy(float) for name in ("tokens", "bytes", "nll"))
            windows.setdefault(variant, {})[text] = ScoredWindows(*columns)
        return windows

    @cached_property
    def headline_samples(self) -> pd.DataFrame:
        """Scored documents with `headline`: acc_norm where the task has it, acc elsewhere."""
        samples = self.multiple_choice
        headline = samples["acc_norm"].fillna(samples["acc"]).astype(float)
        return samples.assign(headline=headline)

    @cached_property
    def headlines(self) -> dict[str, dict[str, np.ndarray]]:
        """Variant -> task -> the headline score of each of its documents."""
        scores: dict[str, dict[str, np.ndarray]] = {}
        groups = self.headline_samples.groupby(["variant", "task"], sort=False)
        for (variant, task), documents in groups:
            scores.setdefault(variant, {})[task] = documents["headline"].to_numpy()
        return scores

    @cached_property
    def rounds(self) -> dict[tuple[str, str, str], PhaseSeconds]:
        """(variant, backend, workload) -> the seconds of its rounds."""
        return {
            key: phase_times(rows.pivot(index="round", columns="step", values="seconds").to_numpy())
            for key, rows in self.latency.groupby(["variant", "backend", "workload"], sort=False)
        }

    def timed_depth(self, variant: str, backend: str = ENGINE) -> float:
        """Mean layers of a timed decode step; the variant's depth where it was not timed."""
        for record in self.latency_records:
            if (record.variant, record.backend.name) == (variant, backend):
                plan_depth = self.variants[variant].plan.depth
                return plan_depth if record.layers is None else record.layers
        return self.variants[variant].depth

    def timed_as_scored(self, variant: str) -> bool:
        """Whether time and quality are of one depth, so that they may stand beside each other.

        They are not where depth changes from token to token, and other tokens were scored.
        """
        name = plan_of(variant)
        return abs(self.timed_depth(name) - self.variants[name].depth) <= SAME_DEPTH


def plan_of(variant: str) -> str:
    """The variant whose plan runs under that name; the A/A control runs dense."""
    return REFERENCE if variant == AA_CONTROL else variant

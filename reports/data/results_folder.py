"""A results folder in memory: what was asked for, every raw sample, and what is missing.

Raises ValueError with one line where files are absent, broken, or do not belong together: variants
are only compared on the same documents, in the same session, of the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmarks.config.sections import AA_CONTROL, REFERENCE
from benchmarks.results.engine_bench_record import EngineBench, read_bench
from benchmarks.results.files import read_json
from benchmarks.results.measurements import (
    KINDS,
    LatencyResult,
    PerplexityResult,
    Result,
    ResultKind,
    read_result,
)
from benchmarks.results.schema import BackendRecord, Model, RunRecord, Target
from cqil.methods.evidence import LayerSimilarity
from cqil.methods.method import Look
from cqil.plan import LayerPlan

ENGINE = "engine"
"""The backend of the engine on one device in eager mode."""


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

    @property
    def depth(self) -> float:
        """Sequential layers of a decoded token; to a tenth where that differs between tokens."""
        return self.plan.depth if self.layers is None else round(self.layers, 1)


@dataclass(frozen=True)
class ScoredWindows:
    """One variant's windows of one text: a number a window."""

    tokens: np.ndarray
    bytes: np.ndarray
    nll: np.ndarray


@dataclass(frozen=True)
class Results:
    """Everything that a report is drawn from."""

    run: RunRecord
    model: Model
    variants: dict[str, ReportedVariant]
    """In the order of the configuration."""
    similarity: LayerSimilarity | None
    searches: list[dict[str, Any]]
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
    def backends(self) -> dict[str, BackendRecord]:
        """What latencies were measured on, in the order of the configuration."""
        return {backend.name: backend for backend in self.run.backends}

    @property
    def workloads(self) -> list[str]:
        """The smallest first."""
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

    @cached_property
    def windows(self) -> dict[str, dict[str, ScoredWindows]]:
        """Variant -> text -> its windows, in the order of the file."""
        windows: dict[str, dict[str, ScoredWindows]] = {}
        for (variant, text), rows in self.perplexity.groupby(["variant", "text"], sort=False):
            columns = (rows[name].to_numpy(float) for name in ("tokens", "bytes", "nll"))
            windows.setdefault(variant, {})[text] = ScoredWindows(*columns)
        return windows

    def timed_depth(self, name: str, backend: str = ENGINE) -> float:
        """Mean layers of a timed decode step; the variant's depth where it was not timed."""
        for record in self.measured:
            if not isinstance(record, LatencyResult):
                continue
            if (record.variant, record.backend.name) == (name, backend):
                return self.variants[name].plan.depth if record.layers is None else record.layers
        return self.variants[name].depth


def plan_of(variant: str) -> str:
    """The variant whose plan is run under that name; the A/A control is dense."""
    return REFERENCE if variant == AA_CONTROL else variant


def load_results(folder: Path) -> Results:
    """Raises ValueError with one line that names the file and the remedy."""
    run = _run_record(folder / "run.json")
    variants, model = _variants(folder, list(run.config["variants"]))
    records: list[Result] = []
    missing: list[tuple[str, str, str, str]] = []
    for kind, targets in groupby(run.targets, lambda target: target.kind):
        for group in _groups(targets):
            _collect(folder, KINDS[kind], group, variants, model, records, missing)
    if not records:
        raise ValueError(f"{folder}: holds no results; run the workflow first")
    similarity = folder / "similarity.json"
    searches = [read_json(path) for path in sorted((folder / "search").glob("*.json"))]
    bench = folder / "bench.json"
    return Results(
        run=run,
        model=model,
        variants=_with_layers(variants, records),
        similarity=(
            LayerSimilarity.from_dict(read_json(similarity)) if similarity.exists() else None
        ),
        searches=[search for search in searches if "grid" in search],
        **{kind: sample_frame(records, kind) for kind in KINDS},
        records=records,
        missing=pd.DataFrame(missing, columns=["measurement", "variant", "status", "reason"]),
        bench=read_bench(bench) if bench.exists() else None,
    )


def sample_frame(records: list[Result], kind: str) -> pd.DataFrame:
    """One row a sample; rows of every variant come in the same order."""
    rows = [
        {"variant": record.variant, **row}
        for record in records
        if record.kind == kind
        for row in KINDS[kind].rows(record)
    ]
    return pd.DataFrame(rows, columns=["variant", *KINDS[kind].columns])


def _run_record(path: Path) -> RunRecord:
    data = _read(path, "run the workflow, or correct --results")
    try:
        return RunRecord.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path}: {where}: {fault['msg']}; run the workflow again") from None


def _read(path: Path, remedy: str) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; {remedy}") from None
    except ValueError:
        raise ValueError(f"{path}: is not JSON; delete it and run the workflow again") from None


def _variants(folder: Path, names: list[str]) -> tuple[dict[str, ReportedVariant], Model]:
    """The variants of the configuration, in its order, and the one model that they are of."""
    variants: dict[str, ReportedVariant] = {}
    common: Model | None = None
    for name in names:
        path = folder / "variants" / f"{name}.json"
        data = _read(path, "run the workflow again")
        variants[name] = ReportedVariant(
            name,
            data["method"],
            data["family"],
            data["options"],
            LayerPlan.from_dict(data["plan"]),
            Look(**data["look"]),
            data.get("early_exit"),
            search=data.get("search"),
        )
        model = Model(**{key: data["model"][key] for key in Model.model_fields})
        common = common or model
        if model != common:
            raise ValueError(f"{path}: of another model than the others; run the workflow again")
    assert common is not None
    return variants, common


def _with_layers(
    variants: dict[str, ReportedVariant], records: list[Result]
) -> dict[str, ReportedVariant]:
    """The variants with the mean depth at which their tokens left, where they leave early."""
    completed = dict(variants)
    for record in records:
        if isinstance(record, PerplexityResult):
            layers = [sample.layers for sample in record.samples if sample.layers is not None]
            if layers:
                completed[record.variant] = replace(variants[record.variant], layers=fmean(layers))
    return completed


def _groups(targets: Iterable[Target]) -> list[list[Target]]:
    """Targets whose results are compared in pairs: one folder, or all latencies of a run."""
    by_set: dict[str, list[Target]] = {}
    for target in targets:
        name = "latency" if target.kind == "latency" else target.group
        by_set.setdefault(name, []).append(target)
    return list(by_set.values())


def _collect(
    folder: Path,
    kind: ResultKind,
    targets: list[Target],
    variants: dict[str, ReportedVariant],
    model: Model,
    records: list[Result],
    missing: list[tuple[str, str, str, str]],
) -> None:
    """Reads the files of one group; the measured ones must belong together."""
    first: tuple[str, Any] | None = None
    for target in targets:
        path, name = folder / target.path, target.variant
        measurement = target.group.removeprefix("multiple_choice/")
        if not path.exists():
            missing.append((measurement, name, "missing", "there is no result file"))
            continue
        result = _result(path, target)
        _check_belongs(path, result, target, variants[plan_of(name)], model)
        records.append(result)
        if result.status != "ok":
            missing.append((measurement, name, result.status, result.reason or ""))
            continue
        paired_on = kind.pairing(result)
        first = first or (name, paired_on)
        if paired_on != first[1]:
            raise ValueError(
                f"{path}: {kind.paired_by} differ from those of {first[0]}; delete both and run "
                "again"
            )


def _result(path: Path, target: Target) -> Result:
    try:
        result = read_result(path)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(
            f"{path}: does not follow the schema, {where}: {fault['msg']}; delete it and run again"
        ) from None
    if result.kind != target.kind:
        raise ValueError(
            f"{path}: holds {result.kind} where {target.kind} belongs; run the workflow again"
        )
    return result


def _check_belongs(
    path: Path, result: Result, target: Target, variant: ReportedVariant, model: Model
) -> None:
    if result.model.sha256 != model.sha256:
        raise ValueError(f"{path}: measured on other weights; delete it and run again")
    same_plan = LayerPlan.from_dict(result.plan) == variant.plan
    if not same_plan or result.early_exit != variant.early_exit:
        raise ValueError(f"{path}: measured with another plan; delete it and run again")
    if isinstance(result, LatencyResult):
        group = f"latency/{result.backend.name}/{result.workload_name}"
        if group != target.group:
            raise ValueError(f"{path}: measured as {group}; delete it and run again")

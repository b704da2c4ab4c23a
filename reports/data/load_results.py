"""Reads a results folder, and checks that its files belong together.

Variants are only compared on the same documents, in the same session, of the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
from pydantic import ValidationError

from benchmarks.results.engine_bench_record import read_bench
from benchmarks.results.read_record import explain_record_error
from benchmarks.results.result_kinds import KINDS
from benchmarks.results.result_schema import LatencyResult, PerplexityResult, Result, read_result
from benchmarks.results.schema_parts import Model, Target
from cqil.plan import LayerPlan
from reports.data.results import ReportedVariant, Results, plan_of
from reports.data.run_files import (
    AGAIN,
    read_run_record,
    read_searches,
    read_similarity,
    read_variants,
)


def load_results(folder: Path) -> Results:
    """Raises ValueError with one line that names the file and the remedy."""
    run = read_run_record(folder / "run.json")
    variants, model = read_variants(folder, list(run.config["variants"]))
    reader = _ResultReader(folder, variants, model)
    for kind, targets in groupby(run.targets, lambda target: target.kind):
        for compared in _compared_targets(targets):
            reader.read(kind, compared)
    if not reader.records:
        raise ValueError(f"{folder}: holds no results; run the workflow first")
    similarity, bench = folder / "similarity.json", folder / "bench.json"
    return Results(
        run=run,
        model=model,
        variants=_with_layers(variants, reader.records),
        similarity=read_similarity(similarity, model) if similarity.exists() else None,
        searches=read_searches(folder / "search"),
        **{kind: _sample_frame(reader.records, kind) for kind in KINDS},
        records=reader.records,
        missing=pd.DataFrame(
            reader.missing, columns=["measurement", "variant", "status", "reason"]
        ),
        bench=read_bench(bench) if bench.exists() else None,
    )


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


def _compared_targets(targets: Iterable[Target]) -> list[list[Target]]:
    """Targets whose results are compared in pairs: one folder, or all latencies of a run."""
    by_set: dict[str, list[Target]] = {}
    for target in targets:
        name = "latency" if target.kind == "latency" else target.group
        by_set.setdefault(name, []).append(target)
    return list(by_set.values())


def _sample_frame(records: list[Result], kind: str) -> pd.DataFrame:
    """One row a sample; rows of every variant come in the same order."""
    rows = [
        {"variant": record.variant, **row}
        for record in records
        if record.kind == kind
        for row in KINDS[kind].rows(record)
    ]
    return pd.DataFrame(rows, columns=["variant", *KINDS[kind].columns])


@dataclass
class _ResultReader:
    """Reads result files of one run."""

    folder: Path
    variants: dict[str, ReportedVariant]
    model: Model
    records: list[Result] = field(default_factory=list)
    missing: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(measurement, variant, status, reason) of what has no number."""

    def read(self, kind: str, targets: list[Target]) -> None:
        """Results that are compared in pairs. Raises ValueError where they cannot be."""
        first: tuple[str, Any] | None = None
        for target in targets:
            result = self._result(target)
            if result is None or result.status != "ok":
                continue
            paired_on = KINDS[kind].pairing(result)
            first = first or (target.variant, paired_on)
            if paired_on != first[1]:
                raise ValueError(
                    f"{self.folder / target.path}: {KINDS[kind].paired_by} differ from those of "
                    f"{first[0]}; delete both and run again"
                )

    def _result(self, target: Target) -> Result | None:
        """The result file of a target; what has no number is noted as missing."""
        path = self.folder / target.path
        measurement = target.group.removeprefix("multiple_choice/")
        if not path.exists():
            reason = "there is no result file"
            self.missing.append((measurement, target.variant, "missing", reason))
            return None
        result = _read_result(path, target)
        _check_belongs(path, result, target, self.variants[plan_of(target.variant)], self.model)
        self.records.append(result)
        if result.status != "ok":
            reason = result.reason or ""
            self.missing.append((measurement, target.variant, result.status, reason))
        return result


def _read_result(path: Path, target: Target) -> Result:
    try:
        result = read_result(path)
    except ValidationError as error:
        reason = explain_record_error(error)
        raise ValueError(
            f"{path}: does not follow the schema, {reason}; delete it and run again"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}; delete it and run again") from None
    if result.kind != target.kind:
        raise ValueError(f"{path}: holds {result.kind} where {target.kind} belongs; {AGAIN}")
    return result


def _check_belongs(
    path: Path, result: Result, target: Target, variant: ReportedVariant, model: Model
) -> None:
    """Raises ValueError where the result is of another variant, other weights, another plan or
    another workload."""
    if result.variant != target.variant:
        raise ValueError(f"{path}: measured as {result.variant}; delete it and run again")
    if result.model.sha256 != model.sha256:
        raise ValueError(f"{path}: measured on other weights; delete it and run again")
    same_plan = LayerPlan.from_dict(result.plan) == variant.plan
    if not same_plan or result.early_exit != variant.early_exit:
        raise ValueError(f"{path}: measured with another plan; delete it and run again")
    if result.edits != variant.edits:
        raise ValueError(f"{path}: measured with other edits; delete it and run again")
    if isinstance(result, LatencyResult):
        group = f"latency/{result.backend.name}/{result.workload_name}"
        if group != target.group:
            raise ValueError(f"{path}: measured as {group}; delete it and run again")

"""A results folder as tidy frames: what was asked for, every raw sample, and what is missing.

Raises ValueError with one line where files are absent, broken, or do not belong together: variants
are only compared on the same documents, in the same session, of the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmarks.files import read_json
from benchmarks.paths import ENGINE, plan_of, timed
from benchmarks.record import (
    Bench,
    ChoicesResult,
    GenerationResult,
    LatencyResult,
    Model,
    PerplexityResult,
    Result,
    read_result,
)
from benchmarks.sections import Latency
from cqil.method import Similarity
from cqil.plan import LayerPlan
from reports.frames import frame, workload_of

KINDS = {
    "perplexity": PerplexityResult,
    "choices": ChoicesResult,
    "generation": GenerationResult,
    "latency": LatencyResult,
}


@dataclass(frozen=True)
class Variant:
    name: str
    method: str
    family: str
    options: dict[str, Any]
    plan: LayerPlan
    exits: dict[str, Any] | None = None
    layers: float | None = None
    """Mean layers of a decoded token of its perplexity, where tokens leave early."""
    search: dict[str, Any] | None = None
    """What its search found, where the method has one."""

    @property
    def depth(self) -> float:
        """Sequential layers of a decoded token; to a tenth where that differs between tokens."""
        return self.plan.depth if self.layers is None else round(self.layers, 1)


@dataclass(frozen=True)
class Windows:
    """One variant's windows of one text: a number a window."""

    tokens: np.ndarray
    bytes: np.ndarray
    nll: np.ndarray


@dataclass(frozen=True)
class Results:
    """Everything that a report is drawn from."""

    config: dict[str, Any]
    model: Model
    variants: dict[str, Variant]
    """In the order of the configuration."""
    similarity: Similarity | None
    searches: list[dict[str, Any]]
    perplexity: pd.DataFrame
    choices: pd.DataFrame
    generation: pd.DataFrame
    latency: pd.DataFrame
    records: list[Result]
    """Every result file, samples included."""
    missing: pd.DataFrame
    """What has no number: measurement, variant, status, reason."""
    bench: Bench | None = None
    """The engine's bench, where `bench.json` lies in the folder."""

    def of_kind(self, kind: str) -> list[Result]:
        return [record for record in self.records if record.kind == kind]

    @property
    def paths(self) -> list[str]:
        """What latencies were measured on, in the order of the configuration."""
        return list(dict.fromkeys(path for path, _, _ in _timed(self.config)))

    @property
    def workloads(self) -> list[str]:
        """The smallest first."""
        return list(dict.fromkeys(workload for _, workload, _ in _timed(self.config)))

    @cached_property
    def windows(self) -> dict[str, dict[str, Windows]]:
        """Variant -> text -> its windows, in the order of the file."""
        found: dict[str, dict[str, Windows]] = {}
        for (variant, text), own in self.perplexity.groupby(["variant", "text"], sort=False):
            columns = (own[name].to_numpy(float) for name in ("tokens", "bytes", "nll"))
            found.setdefault(variant, {})[text] = Windows(*columns)
        return found

    def timed_depth(self, name: str, path: str = ENGINE) -> float:
        """Layers that a timed decode step ran, on average; the variant's depth if it was not."""
        for record in self.measured:
            if isinstance(record, LatencyResult) and (record.variant, record.path) == (name, path):
                return self.variants[name].plan.depth if record.layers is None else record.layers
        return self.variants[name].depth

    @property
    def measured(self) -> list[Result]:
        return [record for record in self.records if record.status == "ok"]


def load_results(folder: Path) -> Results:
    """Raises ValueError with one line that names the file and the remedy."""
    config = _read(folder / "config.json", "run the workflow, or correct --results")
    variants, model = _variants(folder, list(config["variants"]))
    records, missing = [], []
    for kind, places in _places(config):
        _collect(folder, kind, places, variants, model, records, missing)
    if not records:
        raise ValueError(f"{folder}: holds no results; run the workflow first")
    similarity = folder / "similarity.json"
    searches = [read_json(path) for path in sorted((folder / "search").glob("*.json"))]
    return Results(
        config=config,
        model=model,
        variants=_with_layers(variants, records),
        similarity=Similarity.from_dict(read_json(similarity)) if similarity.exists() else None,
        searches=[s for s in searches if "grid" in s],
        **{kind: frame(records, kind) for kind in KINDS},
        records=records,
        missing=pd.DataFrame(missing, columns=["measurement", "variant", "status", "reason"]),
        bench=_bench(folder / "bench.json"),
    )


def _bench(path: Path) -> Bench | None:
    try:
        return Bench.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError as error:
        fault = str(error).splitlines()[0]
        raise ValueError(f"{path}: is no bench ({fault}); run make bench, or remove it") from None


def _read(path: Path, remedy: str) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; {remedy}") from None
    except ValueError:
        raise ValueError(f"{path}: is not JSON; delete it and run the workflow again") from None


def _variants(folder: Path, names: list[str]) -> tuple[dict[str, Variant], Model]:
    """The variants of the configuration, in its order, and the one model that they are of."""
    found, model = {}, None
    for name in names:
        path = folder / "variants" / f"{name}.json"
        data = _read(path, "run the workflow again")
        plan = LayerPlan.from_dict(data["plan"])
        found[name] = Variant(
            name,
            data["method"],
            data["family"],
            data["options"],
            plan,
            data.get("exits"),
            search=data.get("search"),
        )
        own = Model(**{key: data["model"][key] for key in Model.model_fields})
        model = model or own
        if own != model:
            raise ValueError(f"{path}: of another model than the others; run the workflow again")
    assert model is not None
    return found, model


def _with_layers(variants: dict[str, Variant], records: list[Result]) -> dict[str, Variant]:
    """The same, with the depth at which tokens were seen to leave."""
    found = dict(variants)
    for record in records:
        if isinstance(record, PerplexityResult):
            means = [sample.layers for sample in record.samples if sample.layers is not None]
            if means:
                found[record.variant] = replace(variants[record.variant], layers=fmean(means))
    return found


def _timed(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path, workload, variant) of each latency."""
    latency = config["latency"]
    return [] if latency is None else timed(config["variants"], Latency.model_validate(latency))


def _places(config: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Kind, and (folder, variant) of each file, for every set of files that belong together."""
    tasks = config["generation"]["tasks"]
    sets = [f"choices/{suite}" for suite in config["choices"]]
    for kind in ("perplexity", *sets, *(f"generation/{task}" for task in tasks)):
        yield kind.split("/")[0], [(kind, name) for name in config["variants"]]
    yield "latency", [(f"latency/{path}/{work}", name) for path, work, name in _timed(config)]


def _collect(
    folder: Path,
    kind: str,
    places: list[tuple[str, str]],
    variants: dict[str, Variant],
    model: Model,
    records: list[Result],
    missing: list[tuple[str, str, str, str]],
) -> None:
    """Reads one file a place; the measured ones must belong together."""
    reference: tuple[str, Any] | None = None
    for place, name in places:
        path, variant = folder / place / f"{name}.json", variants[plan_of(name)]
        measurement = place.removeprefix("choices/")
        if not path.exists():
            missing.append((measurement, name, "missing", "there is no result file"))
            continue
        result = _result(path, kind)
        _check_belongs(path, result, variant, model)
        records.append(result)
        if result.status != "ok":
            missing.append((measurement, name, result.status, result.reason or ""))
            continue
        paired = _paired_on(result)
        reference = reference or (name, paired)
        if paired != reference[1]:
            what = "session" if kind == "latency" else "documents"
            raise ValueError(
                f"{path}: {what} differ from those of {reference[0]}; delete both and run again"
            )


def _result(path: Path, kind: str) -> Result:
    try:
        result = read_result(path)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path}: does not follow the schema, {where}: {fault['msg']}") from None
    if result.kind != kind:
        raise ValueError(
            f"{path}: holds {result.kind} where {kind} belongs; run the workflow again"
        )
    return result


def _check_belongs(path: Path, result: Result, variant: Variant, model: Model) -> None:
    if result.model.sha256 != model.sha256:
        raise ValueError(f"{path}: measured on other weights; delete it and run again")
    if LayerPlan.from_dict(result.plan) != variant.plan or result.exits != variant.exits:
        raise ValueError(f"{path}: measured with another plan; delete it and run again")
    if isinstance(result, LatencyResult):
        own = f"{result.path}/{workload_of(result)}"
        if own != f"{path.parent.parent.name}/{path.parent.name}":
            raise ValueError(f"{path}: measured on {own}; delete it and run again")


def _paired_on(result: Result) -> Any:
    """What must be equal between variants for their samples to be compared one by one."""
    if isinstance(result, PerplexityResult):
        return [(s.text, s.document, s.tokens) for s in result.samples]
    if isinstance(result, ChoicesResult):
        return [(s.task, s.document) for s in result.samples]
    if isinstance(result, GenerationResult):
        return [(s.document, s.reference) for s in result.samples]
    return result.session

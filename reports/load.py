"""A results folder as tidy frames: what was asked for, every raw sample, and what is missing.

Raises ValueError with one line where files are absent, broken, or do not belong together: variants
are only compared on the same documents, in the same session, of the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from benchmarks.files import read_json
from benchmarks.paths import plan_of, timed
from benchmarks.record import (
    ChoicesResult,
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

KINDS = {"perplexity": PerplexityResult, "choices": ChoicesResult, "latency": LatencyResult}


@dataclass(frozen=True)
class Variant:
    name: str
    method: str
    family: str
    options: dict[str, Any]
    plan: LayerPlan


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
    latency: pd.DataFrame
    records: list[Result]
    """Every result file, samples included."""
    missing: pd.DataFrame
    """What has no number: measurement, variant, status, reason."""

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
        variants=variants,
        similarity=Similarity.from_dict(read_json(similarity)) if similarity.exists() else None,
        searches=[s for s in searches if "grid" in s],
        **{kind: frame(records, kind) for kind in KINDS},
        records=records,
        missing=pd.DataFrame(missing, columns=["measurement", "variant", "status", "reason"]),
    )


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
        found[name] = Variant(name, data["method"], data["family"], data["options"], plan)
        own = Model(**{key: data["model"][key] for key in Model.model_fields})
        model = model or own
        if own != model:
            raise ValueError(f"{path}: of another model than the others; run the workflow again")
    assert model is not None
    return found, model


def _timed(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path, workload, variant) of each latency."""
    latency = config["latency"]
    return [] if latency is None else timed(config["variants"], Latency.model_validate(latency))


def _places(config: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Kind, and (folder, variant) of each file, for every set of files that belong together."""
    for kind in ("perplexity", *(f"choices/{suite}" for suite in config["choices"])):
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
    if LayerPlan.from_dict(result.plan) != variant.plan:
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
    return result.session

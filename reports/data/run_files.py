"""What a run writes beside its results: its record, variants, layer similarity, searches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from benchmarks.config.run_config import RunConfig
from benchmarks.config.sections import AA_CONTROL
from benchmarks.results.files import NotJsonError, read_json
from benchmarks.results.read_record import explain_record_error
from benchmarks.results.schema_parts import Model, RunRecord
from cqil.errors import one_line
from cqil.methods.evidence import LayerSimilarity
from cqil.methods.method import Look
from cqil.plan import LayerPlan
from reports.data.healing import healing_steps
from reports.data.results import ReportedVariant, StartSearch

AGAIN = "run the workflow again"
"""The remedy of most faults."""


@contextmanager
def reading(path: Path, remedy: str = AGAIN) -> Iterator[None]:
    """Every error about what a file holds becomes one line that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; {remedy}") from None
    except NotJsonError:
        raise ValueError(f"{path}: is not JSON; delete it and {AGAIN}") from None
    except ValidationError as error:
        raise ValueError(f"{path}: {explain_record_error(error)}; {AGAIN}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: holds something else ({one_line(error)}); delete it and {AGAIN}"
        ) from None


def read_run_record(path: Path) -> RunRecord:
    with reading(path, "run the workflow, or correct --results"):
        run = RunRecord.model_validate(read_json(path))
        config = RunConfig.model_validate(run.config)
    backends = {backend.name for backend in run.backends}
    timed = {f"latency/{backend}/{load}" for backend in backends for load in run.workloads}
    for target in run.targets:
        if target.variant not in (*config.variants, AA_CONTROL):
            raise ValueError(f"{path}: targets: {target.variant} is no variant of config; {AGAIN}")
        if target.kind == "latency" and target.group not in timed:
            raise ValueError(
                f"{path}: targets: {target.group} is of no backend and workload; {AGAIN}"
            )
    return run.model_copy(update={"config": config.model_dump(mode="json")})


def read_similarity(path: Path, model: Model) -> LayerSimilarity:
    with reading(path):
        similarity = LayerSimilarity.from_dict(read_json(path))
    shape = (model.num_layers + 1, model.num_layers + 1)
    for name, matrix in vars(similarity).items():
        if matrix.shape != shape or not np.issubdtype(matrix.dtype, np.number):
            raise ValueError(f"{path}: {name} is no matrix of {shape[0]} x {shape[1]}; {AGAIN}")
    return similarity


def read_searches(folder: Path) -> list[StartSearch]:
    """Searches for the start of groups; results of other searches are left out."""
    searches = []
    for path in sorted(folder.glob("*.json")):
        with reading(path):
            data = dict(read_json(path))
            if "grid" in data:
                searches.append(StartSearch.model_validate(data))
    return searches


def read_variants(folder: Path, names: list[str]) -> tuple[dict[str, ReportedVariant], Model]:
    """The variants of the configuration, in its order, and the model that all of them are of."""
    variants: dict[str, ReportedVariant] = {}
    common: Model | None = None
    for name in names:
        path = folder / "variants" / f"{name}.json"
        with reading(path):
            data = read_json(path)
            variants[name] = _reported_variant(name, _VariantManifest.model_validate(data))
            model = Model.of_manifest(data["model"])
        common = common or model
        if model != common:
            raise ValueError(f"{path}: of another model than the others; {AGAIN}")
    assert common is not None
    return variants, common


class _VariantManifest(BaseModel):
    """What the report reads of a variant's manifest."""

    method: str
    family: str
    options: dict[str, Any]
    plan: dict[str, Any]
    look: Look
    early_exit: dict[str, Any] | None = None
    search: dict[str, Any] | None = None
    edits: list[dict[str, Any]] = []


def _reported_variant(name: str, manifest: _VariantManifest) -> ReportedVariant:
    fields = {key: getattr(manifest, key) for key in _VariantManifest.model_fields}
    fields |= {"plan": LayerPlan.from_dict(manifest.plan), "healing": healing_steps(manifest.edits)}
    return ReportedVariant(name=name, **fields)

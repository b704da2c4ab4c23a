"""The configuration of a run: its schema, with a description and a default for each key.

`python -m benchmarks.config` writes the JSON Schemas under workflow/schemas. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic import field_validator as validates

from baselines.registry import methods
from benchmarks.assets import TABLE
from benchmarks.budgets import KEY, Budget, budget_of
from benchmarks.files import write_json
from benchmarks.pairs import TASKS
from benchmarks.paths import AGAIN
from benchmarks.record import Probe, Result
from benchmarks.sections import Count, Latency, Section, explain
from cqil.method import Method

SCHEMAS = Path(__file__).resolve().parent.parent / "workflow" / "schemas"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Texts(Section):
    texts: list[str] = Field(
        default=["wikipedia", "c4"], min_length=1, description="Text collections of assets.yaml"
    )
    window: int = Field(default=512, ge=16, description="Tokens taken from the start of a document")

    @validates("texts")
    @classmethod
    def _known(cls, texts: list[str]) -> list[str]:
        return _check_names("text", texts, TABLE["texts"])


class Calibration(_Texts):
    """Documents that similarities and searches look at; never scored."""

    documents: Count = Field(default=4, description="Documents of each text")


class Search(Section):
    """How `uniform` finds the start of its groups where only a depth is given."""

    grid: Count = Field(default=13, description="Starts to try, evenly spaced")
    documents: Count = Field(default=4, description="Calibration documents of each text")
    window: int = Field(default=256, ge=16, description="Tokens taken from each")


class Perplexity(_Texts):
    """The first half of each window is context, the second half is scored."""

    documents: Count | None = Field(default=8, description="Of each text; null takes all")


class Suite(Section):
    """lm-eval tasks that are measured in one job and recorded in one file."""

    tasks: dict[str, Count | None] = Field(
        min_length=1,
        description="Task of assets.yaml -> documents drawn from it with the seed; null takes all",
    )

    @validates("tasks")
    @classmethod
    def _known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        _check_names("task", list(tasks), TABLE["tasks"])
        return tasks


class Generation(Section):
    """Texts that every variant writes; one job for each variant and task."""

    tasks: dict[str, Count | None] = Field(
        default={}, description="Task of generation.yaml -> its documents; null takes all"
    )
    batch: Count = Field(default=8, description="Documents answered at once")

    @validates("tasks")
    @classmethod
    def _known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        _check_names("task", list(tasks), TASKS)
        return tasks


class Report(Section):
    """How the report draws its intervals."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of every interval")
    resamples: int = Field(default=9999, ge=999, description="Bootstrap resamples")


class Config(Section):
    """A run: one model, its variants, and what is measured on them."""

    name: Name = Field(description="Folder of the run under results/")
    model: str = Field(
        min_length=1, description="Embedded name, Hugging Face hub id, or local directory"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto takes CUDA where there is one"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Type of weights and activations"
    )
    seed: int = Field(default=0, ge=0, description="Seed of document draws and round orders")
    calibration: Calibration = Field(default_factory=Calibration)
    search: Search = Field(default_factory=Search)
    variants: dict[Name, dict[str, Any]] = Field(
        description="Name -> method and its options; `dense` must be one of them"
    )
    perplexity: Perplexity = Field(default_factory=Perplexity)
    choices: dict[Name, Suite] = Field(
        default_factory=dict, description="Suite name -> multiple-choice tasks"
    )
    generation: Generation = Field(default_factory=Generation)
    latency: Latency | None = Field(
        default_factory=Latency, description="null leaves latency out of the run"
    )
    report: Report = Field(default_factory=Report)

    @property
    def model_folder(self) -> str:
        """The model's name as one folder name."""
        return self.model.strip("/").replace("/", "--")

    @validates("variants")
    @classmethod
    def _dense_is_there(cls, variants: dict[str, Any]) -> dict[str, Any]:
        if AGAIN in variants:
            raise ValueError(f"{AGAIN}: is the name of dense when it is timed twice; rename it")
        if (variants.get("dense") or {}).get("method") != "dense":
            raise ValueError("dense: missing; add `dense: {method: dense}`, the reference of all")
        return variants

    @model_validator(mode="after")
    def _tasks_once(self) -> Config:
        tasks = [task for suite in self.choices.values() for task in suite.tasks]
        if twice := sorted({task for task in tasks if tasks.count(task) > 1}):
            raise ValueError(f"choices: task {twice[0]} appears twice; keep it in one suite")
        return self


def parse_config(raw: dict[str, Any]) -> Config:
    """Raises ValueError with one line that names the key, the value and the remedy."""
    try:
        config = Config.model_validate(raw)
        for name, options in config.variants.items():
            parse_method(f"variants.{name}", options)
    except ValidationError as error:
        raise ValueError(f"config: {explain(error)}") from None
    return config


def parse_method(where: str, options: dict[str, Any]) -> Method:
    """The method that a variant names. Raises ValueError with one line that begins at `where`."""
    name = options.get("method")
    if name not in methods():
        known = ", ".join(sorted(methods()))
        raise ValueError(f"config: {where}.method: {name!r} is unknown; use one of {known}")
    try:
        if (budget := budget_of(options)) is not None:
            options = budget.replaced(options, STAND_IN)
        return methods()[name].model_validate(options)
    except ValidationError as error:
        raise ValueError(f"config: {where}.{explain(error)}") from None
    except ValueError as error:
        raise ValueError(f"config: {where}.{error}") from None


STAND_IN = 1
"""Depth where only the model will tell which one a latency budget leaves."""


def search_name(options: dict[str, Any]) -> str | None:
    """Of the file that holds what the method's search found; None where it has no search."""
    key, budget = parse_method("variants", options).search_key, budget_of(options)
    return key if key is None or budget is None else f"{key}-{budget.tag}"


def _check_names(what: str, names: list[str], known: dict[str, Any]) -> list[str]:
    for name in names:
        if name not in known:
            raise ValueError(f"{what} {name!r} is unknown; use one of {', '.join(sorted(known))}")
    if len(set(names)) != len(names):
        raise ValueError(f"{what} appears twice in {names}; name each once")
    return names


def json_schemas() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema, for editors and readers in other languages."""
    config = Config.model_json_schema()
    kinds = [_method_schema(kind) for _, kind in sorted(methods().items())]
    config["properties"]["variants"]["additionalProperties"] = {"oneOf": kinds}
    return {
        "config.schema.json": config,
        "result.schema.json": TypeAdapter(Result).json_schema(),
        "probe.schema.json": Probe.model_json_schema(),
    }


def _method_schema(kind: type[Method]) -> dict[str, Any]:
    """A budget may take the place of a depth."""
    schema = kind.model_json_schema()
    if "depth" in schema["properties"]:
        schema["properties"][KEY] = Budget.model_json_schema()
        schema["required"] = [key for key in schema.get("required", []) if key != "depth"]
    return schema


if __name__ == "__main__":
    for file_name, schema in json_schemas().items():
        write_json(SCHEMAS / file_name, schema)

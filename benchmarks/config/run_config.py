"""The configuration of a run: its schema, with a description and a default for each key.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic import field_validator as validates

from baselines.registry import methods
from benchmarks.config.assets import ASSETS
from benchmarks.config.generation_tasks import GENERATION_TASKS
from benchmarks.config.healing import HealingSection, healing_steps, without_healing
from benchmarks.config.latency_budget import budget_of
from benchmarks.config.sections import AA_CONTROL, ConfigSection, Count, LatencySection
from benchmarks.config.texts_section import TextsSection, check_names
from benchmarks.config.validation_errors import explain_validation_error
from cqil.errors import check_known
from cqil.methods.method import Method

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that can stand in a file name."""
PLACEHOLDER_DEPTH = 1
"""Depth of a latency budget while options are checked: only a model determines the real one."""


class CalibrationSection(TextsSection):
    """Documents that similarities and searches read; they are never scored."""

    documents: Count = Field(default=4, description="Documents of each text")


class SearchSection(ConfigSection):
    """What every search reads, which tokens it scores, and how many starts `uniform` tries."""

    grid: Count = Field(default=13, description="Starts to try, evenly spaced")
    documents: Count = Field(default=4, description="Calibration documents of each text")
    window: int = Field(default=256, ge=16, description="Tokens taken from a document")
    score: Literal["second-half", "all"] = Field(
        default="second-half",
        description="Scored tokens of a window: as perplexity does, or all but the first",
    )


class PerplexitySection(TextsSection):
    """The first half of each window is context, the second half is scored."""

    documents: Count | None = Field(default=8, description="Documents of each text; null takes all")


class TaskSuite(ConfigSection):
    """lm-eval tasks that one job measures and one file records."""

    tasks: dict[str, Count | None] = Field(
        min_length=1,
        description="Task of assets.yaml -> documents drawn from it with the seed; null takes all",
    )

    @validates("tasks")
    @classmethod
    def _check_known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        check_names("task", list(tasks), ASSETS["tasks"])
        return tasks


class GenerationSection(ConfigSection):
    """Texts that every variant generates; one job for each variant and task."""

    tasks: dict[str, Count | None] = Field(
        default={}, description="Task of generation.yaml -> its documents; null takes all"
    )
    batch: Count = Field(default=8, description="Documents answered at once")

    @validates("tasks")
    @classmethod
    def _check_known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        check_names("task", list(tasks), GENERATION_TASKS)
        return tasks


class ReportSection(ConfigSection):
    """How the report estimates its intervals."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of every interval")
    resamples: int = Field(default=9999, ge=999, description="Bootstrap resamples")


class RunConfig(ConfigSection):
    """A run: one model, its variants, and what is measured on them."""

    name: Name = Field(description="Folder of the run under results/")
    model: str = Field(
        min_length=1, description="Embedded name, Hugging Face hub id, or local directory"
    )
    model_identity: str | None = Field(
        default=None, description="Hub id of what a local directory holds, for published claims"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto takes CUDA where there is one"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Type of weights and activations"
    )
    seed: int = Field(default=0, ge=0, description="Seed of document draws and round orders")
    calibration: CalibrationSection = Field(default_factory=CalibrationSection)
    search: SearchSection = Field(default_factory=SearchSection)
    variants: dict[Name, dict[str, Any]] = Field(
        description="Name -> method and its options; `dense` must be one of them"
    )
    healing: HealingSection = Field(default_factory=HealingSection)
    perplexity: PerplexitySection = Field(default_factory=PerplexitySection)
    multiple_choice: dict[Name, TaskSuite] = Field(
        default_factory=dict, description="Suite name -> multiple-choice tasks"
    )
    generation: GenerationSection = Field(default_factory=GenerationSection)
    latency: LatencySection | None = Field(
        default_factory=LatencySection, description="null leaves latency out of the run"
    )
    report: ReportSection = Field(default_factory=ReportSection)

    @property
    def model_folder(self) -> str:
        """The model's name as one folder name, with a digest where characters had to go."""
        flat = self.model.strip("/").replace("/", "--")
        plain = re.sub(r"[^A-Za-z0-9._-]", "-", flat)
        digest = hashlib.sha256(self.model.encode()).hexdigest()[:8]
        return plain if plain == flat else f"{plain}-{digest}"

    @validates("variants")
    @classmethod
    def _check_dense(cls, variants: dict[str, Any]) -> dict[str, Any]:
        if AA_CONTROL in variants:
            raise ValueError(
                f"{AA_CONTROL}: is the name of the A/A control of dense; rename the variant"
            )
        if (variants.get("dense") or {}).get("method") != "dense":
            raise ValueError("dense: missing; add `dense: {method: dense}` as the reference")
        return variants

    @model_validator(mode="after")
    def _check_repeated_tasks(self) -> RunConfig:
        tasks = [task for suite in self.multiple_choice.values() for task in suite.tasks]
        if repeated := sorted({task for task in tasks if tasks.count(task) > 1}):
            raise ValueError(
                f"multiple_choice: task {repeated[0]} appears twice; keep it in one suite"
            )
        return self


def parse_config(raw: dict[str, Any]) -> RunConfig:
    """The run of a YAML file. Raises ValueError with one line: key, value and remedy."""
    try:
        config = RunConfig.model_validate(raw)
        for name, options in config.variants.items():
            parse_method(f"variants.{name}", options)
    except ValidationError as error:
        raise ValueError(f"config: {explain_validation_error(error)}") from None
    return config


def parse_method(key: str, options: dict[str, Any]) -> Method:
    """The method that a variant names. Raises ValueError with one line that starts with `key`."""
    name = options.get("method")
    check_known(f"config: {key}.method", name, sorted(methods()))
    assert isinstance(name, str)
    try:
        healing_steps(options)
        options = without_healing(options)
        if (budget := budget_of(options)) is not None:
            options = budget.replace_by_depth(options, PLACEHOLDER_DEPTH)
        return methods()[name].model_validate(options)
    except ValidationError as error:
        known = methods()[name].model_fields
        raise ValueError(f"config: {key}.{explain_validation_error(error, known)}") from None
    except ValueError as error:
        raise ValueError(f"config: {key}.{error}") from None


def search_name(options: dict[str, Any]) -> str | None:
    """File name of the result of the method's search; None where it needs no search."""
    search_key, budget = parse_method("variants", options).search_key, budget_of(options)
    if search_key is None or budget is None:
        return search_key
    return f"{search_key}-{budget.tag}"

"""The tasks of config/generation.yaml: their data, prompts, decoding and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from benchmarks.config.sections import ConfigSection, Count
from benchmarks.config.validation_errors import explain_validation_error

GENERATION_FILE = Path(__file__).resolve().parents[2] / "config" / "generation.yaml"


class WheelDataset(ConfigSection):
    """Sources and references inside a wheel of config/assets.yaml."""

    wheel: str
    files: str = Field(description="Pattern of member names; * matches any folder")
    reader: Literal["gettext", "aclsum"]


class FileDataset(ConfigSection):
    """A user's file: JSON lines with `source` and `reference`."""

    path: Path = Field(strict=False)


class GenerationTask(ConfigSection):
    """One task; config/generation.yaml explains each key."""

    version: Count
    note: str
    dataset: WheelDataset | FileDataset
    prompt: str
    shots: int = Field(default=0, ge=0)
    words: tuple[Count, Count] | None = Field(default=None, strict=False)
    first_words: Count | None = None
    max_new_tokens: Count
    stop: list[str] = []
    metrics: list[Literal["bleu", "chrf", "rouge"]] = Field(min_length=1)
    bleu_words: Literal["13a", "zh", "char"] = "13a"

    @field_validator("prompt")
    @classmethod
    def _has_source(cls, prompt: str) -> str:
        if "{source}" not in prompt:
            raise ValueError("has no {source}; write it where the source text stands")
        return prompt

    def fill_prompt(self, source: str) -> str:
        """The prompt that asks for one source."""
        # Not str.format: a prompt may hold other braces.
        return self.prompt.replace("{source}", source)


def read_generation_tasks(path: Path) -> dict[str, GenerationTask]:
    """Task name -> task. Raises ValueError with one line that names the file, task and key."""
    try:
        return TypeAdapter(dict[str, GenerationTask]).validate_python(
            yaml.safe_load(path.read_text("utf-8"))
        )
    except ValidationError as error:
        raise ValueError(f"{path}: {explain_validation_error(error)}") from None


GENERATION_TASKS = read_generation_tasks(GENERATION_FILE)
"""Name -> task of config/generation.yaml."""


def check_task_files(names: Iterable[str], folder: Path) -> None:
    """Raises ValueError with one line where the file of a task is missing in `folder`."""
    for name in names:
        dataset = GENERATION_TASKS[name].dataset
        if isinstance(dataset, FileDataset) and not (folder / dataset.path).is_file():
            raise ValueError(
                f"config: generation.tasks.{name}: {dataset.path} not found; put it there as JSON "
                "lines with `source` and `reference` (config/README.md), or leave the task out"
            )

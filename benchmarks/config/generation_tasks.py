"""The tasks of config/generation.yaml: what is asked, and how answers are scored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from benchmarks.config.sections import ConfigSection, Count, explain_validation_error

GENERATION_FILE = Path(__file__).resolve().parents[2] / "config" / "generation.yaml"


class WheelDataset(ConfigSection):
    """Pairs inside a wheel of config/assets.yaml."""

    wheel: str
    files: str = Field(description="Pattern of member names; * matches any folder")
    reader: Literal["gettext", "aclsum"]


class FileDataset(ConfigSection):
    """A user's pairs: JSON lines with `source` and `reference`."""

    path: Path


class GenerationTask(ConfigSection):
    """What is asked, and how answers are scored; config/generation.yaml explains each key."""

    version: Count
    note: str
    dataset: WheelDataset | FileDataset
    prompt: str
    shots: int = Field(default=0, ge=0)
    words: tuple[Count, Count] | None = None
    first_words: Count | None = None
    max_new_tokens: Count
    stop: list[str] = []
    metrics: list[Literal["bleu", "chrf", "rouge"]] = Field(min_length=1)
    bleu_words: Literal["13a", "zh", "char"] = "13a"

    @field_validator("prompt")
    @classmethod
    def _has_source(cls, prompt: str) -> str:
        if "{source}" not in prompt:
            raise ValueError("has no {source}; write it where the source belongs")
        return prompt

    def asked(self, source: str) -> str:
        # Not str.format: a prompt may hold braces of its own.
        return self.prompt.replace("{source}", source)


def read_generation_tasks(path: Path) -> dict[str, GenerationTask]:
    """Raises ValueError with one line that names the file, the task and the key."""
    try:
        return TypeAdapter(dict[str, GenerationTask]).validate_python(
            yaml.safe_load(path.read_text("utf-8"))
        )
    except ValidationError as error:
        raise ValueError(f"{path}: {explain_validation_error(error)}") from None


GENERATION_TASKS = read_generation_tasks(GENERATION_FILE)


def check_task_files(names: Iterable[str], folder: Path) -> None:
    """Raises ValueError with one line where a task's file is not in place yet."""
    for name in names:
        dataset = GENERATION_TASKS[name].dataset
        if isinstance(dataset, FileDataset) and not (folder / dataset.path).is_file():
            raise ValueError(
                f"config: generation.tasks.{name}: {dataset.path} not found; put it there as JSON "
                "lines with `source` and `reference` (config/README.md), or leave the task out"
            )

"""YAML files of the reports, read by their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from benchmarks.results.schema_parts import Schema

S = TypeVar("S", bound=Schema)


def read_yaml(path: Path, schema: type[S], room: str) -> S:
    """Raises ValueError with one line: file, key, and the room that explains it."""
    try:
        return schema.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path.name}: {key}: {first['msg']}; see {room}") from None

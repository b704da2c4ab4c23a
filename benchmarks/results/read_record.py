"""Reads record files, and explains in one line why a file holds no record. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from benchmarks.results.files import NotJsonError, read_json
from benchmarks.results.schema_parts import SCHEMA_VERSION, Schema

R = TypeVar("R", bound=Schema)


def read_record(path: Path, record_class: type[R], what: str) -> R:
    """The record in a JSON file that `make {what}` writes.

    Raises ValueError with one line where the file holds no such record.
    """
    try:
        return record_class.model_validate(read_json(path))
    except ValidationError as error:
        reason = explain_record_error(error)
    except NotJsonError as error:
        reason = error.reason
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
    raise ValueError(f"{path}: holds no {what} ({reason}); run make {what} again")


def explain_record_error(error: ValidationError) -> str:
    """The first fault of a record as one line: the field, and what is wrong with it.

    For a record of another schema version the line names the version.
    """
    fault = error.errors()[0]
    if (version := _version_in(fault)) != SCHEMA_VERSION:
        return f"schema_version: {version!r}, but this code reads version {SCHEMA_VERSION}"
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"]


def _version_in(fault: Mapping[str, Any]) -> Any:
    """The schema version that a fault shows; the present one where it shows none."""
    value = fault["input"]
    if fault["loc"][-1:] == ("schema_version",):
        return value
    # Kinds of results were renamed, so the kind of an old file can be the first fault.
    if fault["type"] == "union_tag_invalid" and isinstance(value, dict):
        return value.get("schema_version", SCHEMA_VERSION)
    return SCHEMA_VERSION

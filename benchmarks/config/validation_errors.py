"""Pydantic's errors about a configuration as one line: the key, what is wrong, the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

RENAMED_KEYS = {
    "choices": "multiple_choice",
    "lanes": "group_parallel_size",
    "shards": "tensor_parallel_size",
    "least": "min_layers",
    "pairs": "dataset",
}
"""Keys of configurations before schema 2 -> their present names."""
RENAMED_VALUES = {"graph": "cuda_graph"}
"""Values of configurations before schema 2 -> their present names."""


def validated(model: type[M], data: Any, key: str) -> M:
    """The data as a model. Raises ValueError with one line that starts with the key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ValueError(f"{key}.{explain_validation_error(error, model.model_fields)}") from None


def explain_validation_error(error: ValidationError, known: Iterable[str] = ()) -> str:
    """The first fault as one line: key, what is wrong, the value. `known`: keys that there are.

    A key that was renamed or misspelt is named before all other faults, since it explains them:
    as it is written the key is unknown, and as it is meant it is missing.
    """
    faults = error.errors()
    renamed = [line for fault in faults if (line := _explain_renamed(fault)) is not None]
    if renamed:
        return renamed[0]
    unknown = [fault for fault in faults if fault["type"] == "extra_forbidden"]
    if unknown:
        return _explain_unknown(unknown[0], known or _missing_keys(faults))
    return _explain_fault(faults[0])


def _missing_keys(faults: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(fault["loc"][-1]) for fault in faults if fault["type"] == "missing"]


def _explain_unknown(fault: Mapping[str, Any], known: Iterable[str]) -> str:
    """The unknown key, and the known one that it is most like."""
    alike = get_close_matches(str(fault["loc"][-1]), list(known), n=1)
    remedy = f"did you mean {alike[0]}?" if alike else "remove it or correct its spelling"
    return f"{_key_of(fault)}: unknown key; {remedy}"


def _explain_renamed(fault: Mapping[str, Any]) -> str | None:
    """The line for a key or value that has another name now; None for every other fault."""
    key, value = _key_of(fault), fault["input"]
    if fault["type"] == "extra_forbidden":
        new_key = RENAMED_KEYS.get(str(fault["loc"][-1]))
        return None if new_key is None else f"{key}: is now called {new_key}; rename it"
    if fault["type"] == "literal_error" and isinstance(value, str) and value in RENAMED_VALUES:
        return f"{key}: {value!r} is now called {RENAMED_VALUES[value]!r}; rename it"
    return None


def _explain_fault(fault: Mapping[str, Any]) -> str:
    key, message = _key_of(fault), fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"{key}: missing; config/README.md explains it"
    if fault["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key}: {message}, got {fault['input']!r}"


def _key_of(fault: Mapping[str, Any]) -> str:
    """The dotted key that a fault is about."""
    return ".".join(str(part) for part in fault["loc"] if part != "[key]")

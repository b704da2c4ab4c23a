"""Sections that name text collections of config/assets.yaml. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic import field_validator as validates

from benchmarks.config.assets import ASSETS
from benchmarks.config.sections import ConfigSection
from cqil.errors import check_known


class TextsSection(ConfigSection):
    """Which texts, and how long a window of them is."""

    texts: list[str] = Field(
        default=["wikipedia", "c4"], min_length=1, description="Text collections of assets.yaml"
    )
    window: int = Field(default=512, ge=16, description="Tokens taken from the start of a document")

    @validates("texts")
    @classmethod
    def _check_known(cls, texts: list[str]) -> list[str]:
        return check_names("text", texts, ASSETS["texts"])


def check_names(what: str, names: list[str], known: dict[str, Any]) -> list[str]:
    """The names. Raises ValueError where one is unknown or appears twice."""
    for name in names:
        check_known(what, name, sorted(known))
    if len(set(names)) != len(names):
        raise ValueError(f"{what} appears twice in {names}; name each once")
    return names

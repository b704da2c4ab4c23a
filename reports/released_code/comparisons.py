"""The schema of comparisons with released code, and how their file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from benchmarks.results.schema_parts import Schema
from reports.data.yaml_file import read_yaml

FILE = Path(__file__).with_name("comparisons.yaml")
By = Literal["authors", "authors' laboratory", "third party"]


class Agreement(Schema):
    """How many of the cases gave the same."""

    what: str = Field(description="Cases, as the end of `840 of 840 ...`")
    equal: int = Field(ge=0)
    of: int = Field(ge=1)

    @model_validator(mode="after")
    def _check_counts(self) -> Agreement:
        if self.equal > self.of:
            raise ValueError(f"equal: {self.equal} is more than {self.of} cases; correct it")
        return self

    def __str__(self) -> str:
        return f"{self.equal} of {self.of} {self.what}"


class RuleComparison(Schema):
    """A rule of the suite beside released code."""

    rule: str = Field(description="Options of the rule, as in a configuration")
    publication: str
    repository: str = Field(description="Owner and name on GitHub")
    by: By
    snapshots: dict[str, str] = Field(min_length=1, description="File -> commit")
    inputs: str
    agreements: tuple[Agreement, ...] = Field(min_length=1)
    largest_difference: str
    differs: tuple[str, ...] = Field(description="What differs, and why; most important first")


class ReleasedCode(Schema):
    """All comparisons, and what they were run with."""

    measured: str = Field(description="Date, machine and versions")
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$", description="Of this suite")
    comparisons: tuple[RuleComparison, ...]


def load_comparisons(path: Path = FILE) -> ReleasedCode:
    """Raises ValueError with one line that names file and key."""
    return read_yaml(path, ReleasedCode, "reports/released_code")

"""The schema of claims, and how their files are read; unknown keys and repeated ids are errors."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from benchmarks.results.schema_parts import Schema
from reports.data.yaml_file import read_yaml

FOLDER = Path(__file__).parent
SHARED = ("source", "confidence", "conditions", "out_of_reach")
"""Keys that a claim takes from its part where it does not give them itself."""
Confidence = Literal["primary", "secondary", "derived", "remembered", "own"]
"""How well a number is known; the docstring of `reports.claims` explains each word."""
CONFIDENCES: tuple[str, ...] = get_args(Confidence)
_QUANTITY = re.compile(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*(.*)")


class Quantity(Schema):
    """A published number with its unit; it keeps the digits that were published."""

    number: Decimal
    unit: str = ""

    @property
    def slack(self) -> float:
        """Half a unit of the last published digit: the largest error of rounding."""
        exponent = self.number.as_tuple().exponent
        assert isinstance(exponent, int)
        return 0.5 * 10.0**exponent

    def agrees(self, ours: float) -> bool:
        """Whether `ours` rounds to the published number; binary fractions may be off a little."""
        return abs(ours - float(self.number)) <= self.slack * (1 + 1e-9) + 1e-12

    def __str__(self) -> str:
        return with_unit(f"{self.number:f}", self.unit)


def with_unit(number: str, unit: str) -> str:
    """`28.1 %`, `1.39×`; a minus is a true minus."""
    space = "" if unit in ("", "×") else " "
    return number.replace("-", "−", 1) + space + unit


def _parse_value(value: Any) -> Any:
    """A number of a YAML file as fields of Quantity; lists stay as they are."""
    if isinstance(value, float):
        raise ValueError(f"{value}: write it as text with its unit, so that its digits are kept")
    if isinstance(value, int):
        return {"number": Decimal(value)}
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a number with a unit; write it as in 26.2 %")
    return {"number": Decimal(match[1]), "unit": match[2]}


Layers = tuple[int, ...]
"""Indices of layers, from 0."""
Value = Annotated[Layers | Quantity, BeforeValidator(_parse_value)]


class ClaimConditions(Schema):
    """What the published number was measured on; None is what is not known."""

    model: str | None = None
    hardware: str | None = None
    batch: int | None = None
    phase: str | None = None
    harness: str | None = None
    note: str | None = None


class Claim(Schema):
    """A published number or direction, and what tests it."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9.]+)*$")
    statement: str
    values: dict[str, Value] = {}
    conditions: ClaimConditions = ClaimConditions()
    source: str
    confidence: Confidence
    check: str | None = None
    given: dict[str, Any] = {}
    out_of_reach: str | None = None
    not_seen: bool = False
    shown_by: str | None = None

    @model_validator(mode="after")
    def _check_how_it_is_tested(self) -> Claim:
        if sum((self.check is not None, self.out_of_reach is not None, self.not_seen)) != 1:
            raise ValueError(f"{self.id}: give one of check, out_of_reach and not_seen")
        if self.not_seen and self.values:
            raise ValueError(f"{self.id}: was not seen, so it cannot have values; remove them")
        if self.given and self.check is None:
            raise ValueError(f"{self.id}: given belongs to a check; name the check")
        return self

    def quantities(self) -> dict[str, Quantity]:
        """The values that are numbers, by name."""
        return {name: q for name, q in self.values.items() if isinstance(q, Quantity)}


class Part(Schema):
    """Claims that are shown together, mostly of one source."""

    title: str
    claims: tuple[Claim, ...]

    @model_validator(mode="before")
    @classmethod
    def _pass_shared_keys(cls, data: Any) -> Any:
        """Gives every claim the keys of SHARED that the part holds."""
        if not isinstance(data, dict) or not isinstance(data.get("claims"), list):
            return data
        shared = {key: data[key] for key in SHARED if key in data}
        rest = {key: value for key, value in data.items() if key not in shared}
        return rest | {"claims": [_with_shared(claim, shared) for claim in data["claims"]]}


def _with_shared(claim: Any, shared: dict[str, Any]) -> Any:
    """The claim with its part's keys; its own keys and conditions come first.

    A claim that has a check, or was not seen, does not take `out_of_reach`.
    """
    if not isinstance(claim, dict):
        return claim
    shared = dict(shared)
    if "check" in claim or "not_seen" in claim:
        shared.pop("out_of_reach", None)
    conditions = {**shared.get("conditions", {}), **claim.get("conditions", {})}
    return {**shared, **claim, "conditions": conditions}


class Publication(Schema):
    """One file: a paper, or a family of them."""

    title: str
    position: int = Field(description="Order of the publications on the page")
    parts: tuple[Part, ...]

    @property
    def claims(self) -> list[Claim]:
        """The claims of all parts."""
        return [claim for part in self.parts for claim in part.claims]


def load_publications(folder: Path = FOLDER) -> list[Publication]:
    """Every file of the folder, in the order of the page.

    Raises ValueError with one line that names file and key.
    """
    publications: list[Publication] = []
    file_of_claim: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        publication = read_yaml(path, Publication, "reports/claims")
        for claim in publication.claims:
            if claim.id in file_of_claim:
                other = file_of_claim[claim.id]
                raise ValueError(f"{path.name}: {claim.id} is also in {other}; rename one")
            file_of_claim[claim.id] = path.name
        publications.append(publication)
    return sorted(publications, key=lambda publication: publication.position)

"""The schema of claims, and how their files are read. Unknown keys and repeated ids are errors."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from benchmarks.results.schema import Schema

FOLDER = Path(__file__).parent
SHARED = ("source", "confidence", "conditions", "out_of_reach")
"""What a claim takes from its part where it does not say it itself."""
Confidence = Literal["primary", "secondary", "derived", "remembered"]
CONFIDENCES: tuple[str, ...] = get_args(Confidence)
_QUANTITY = re.compile(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*(.*)")


class Quantity(Schema):
    """A number as it was published, its digits kept, and its unit."""

    number: Decimal
    unit: str = ""

    @property
    def slack(self) -> float:
        """Half a unit of the last digit: what rounding can hide."""
        exponent = self.number.as_tuple().exponent
        assert isinstance(exponent, int)
        return 0.5 * 10.0**exponent

    def agrees(self, ours: float) -> bool:
        """Whether `ours` rounds to it, up to the noise of binary fractions."""
        return abs(ours - float(self.number)) <= self.slack * (1 + 1e-9) + 1e-12

    def __str__(self) -> str:
        return with_unit(f"{self.number:f}", self.unit)


def with_unit(number: str, unit: str) -> str:
    space = "" if unit in ("", "×") else " "
    return number.replace("-", "−", 1) + space + unit


def _quantity(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(f"{value}: write it as text with its unit, so that its digits are kept")
    if isinstance(value, int):
        return {"number": Decimal(value)}
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a number with a unit; write it like 26.2 %")
    return {"number": Decimal(match[1]), "unit": match[2]}


Layers = tuple[int, ...]
Value = Annotated[Layers | Quantity, BeforeValidator(_quantity)]


class ClaimConditions(Schema):
    model: str | None = None
    hardware: str | None = None
    batch: int | None = None
    phase: str | None = None
    harness: str | None = None
    note: str | None = None


class Claim(Schema):
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
    def _one_test(self) -> Claim:
        if sum((self.check is not None, self.out_of_reach is not None, self.not_seen)) != 1:
            raise ValueError(f"{self.id}: give one of check, out_of_reach and not_seen")
        if self.not_seen and self.values:
            raise ValueError(f"{self.id}: was not seen, so it cannot have values")
        if self.given and self.check is None:
            raise ValueError(f"{self.id}: given belongs to a check")
        return self

    def quantities(self) -> dict[str, Quantity]:
        return {name: q for name, q in self.values.items() if isinstance(q, Quantity)}


class Part(Schema):
    """Claims that stand together, mostly from one place."""

    title: str
    claims: tuple[Claim, ...]

    @model_validator(mode="before")
    @classmethod
    def _share(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("claims"), list):
            return data
        shared = {key: data[key] for key in SHARED if key in data}
        rest = {key: value for key, value in data.items() if key not in shared}
        return rest | {"claims": [_with(shared, claim) for claim in data["claims"]]}


def _with(shared: dict[str, Any], claim: Any) -> Any:
    """The claim with its part's conditions under its own, and no second test beside its own."""
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
    place: int = Field(description="Works stand on the page in this order")
    parts: tuple[Part, ...]

    @property
    def claims(self) -> list[Claim]:
        return [claim for part in self.parts for claim in part.claims]


def load_publications(folder: Path = FOLDER) -> list[Publication]:
    """Every file of the folder. Raises ValueError with one line that names file and key."""
    works, seen = [], dict[str, str]()
    for path in sorted(folder.glob("*.yaml")):
        work = _read(path)
        for claim in work.claims:
            if claim.id in seen:
                raise ValueError(f"{path.name}: {claim.id} is also in {seen[claim.id]}; rename one")
            seen[claim.id] = path.name
        works.append(work)
    return sorted(works, key=lambda work: work.place)


def _read(path: Path) -> Publication:
    try:
        return Publication.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path.name}: {where}: {fault['msg']}; see reports/claims") from None

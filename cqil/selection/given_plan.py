"""A plan that the user has: a slug, groups of layers, or a file that `LayerPlan.to_json` wrote."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cqil.errors import one_line
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import check_one_given
from cqil.plan import LayerPlan


class GivenPlan(Method):
    family: ClassVar[str] = "given"
    default_look: ClassVar[Look] = Look("Given plan", "X")
    method: Literal["plan"] = "plan"
    slug: str | None = Field(default=None, description="Such as S12-E28-P2-D1")
    groups: list[list[int | str]] | None = Field(
        default=None,
        min_length=1,
        description="Layers, 0-based, or halves such as `7.attn`, by stage; others are left out",
    )
    file: str | None = Field(
        default=None, description="JSON of a plan, or anything with a `plan`: a manifest, a result"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "GivenPlan":
        check_one_given(self, ("slug", "groups", "file"))
        return self

    def check_layers(self, num_layers: int) -> None:
        """Raises ValueError for a slug or groups that a model of so many layers cannot run."""
        if self.file is None:
            try:
                self.plan(Evidence(num_layers=num_layers))
            except ValueError as error:
                key = "groups" if self.slug is None else f"slug: {self.slug}"
                raise ValueError(f"{key}: {error}") from None

    @property
    def input_files(self) -> tuple[str, ...]:
        return () if self.file is None else (self.file,)

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        if self.slug is not None:
            return LayerPlan.from_slug(self.slug, num_layers)
        if self.groups is not None:
            return LayerPlan(num_layers=num_layers, groups=self.groups)  # type: ignore[arg-type]
        assert self.file is not None
        plan = _read_plan(Path(self.file).expanduser())
        plan.check_depth(num_layers)
        return plan


def _read_plan(file: Path) -> LayerPlan:
    """Raises ValueError with one line where the file holds no plan."""
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        return LayerPlan.from_dict(data.get("plan", data))
    except OSError as error:
        raise ValueError(f"file: {file} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = one_line(error)
        raise ValueError(f"file: {file} holds no plan ({reason})") from None

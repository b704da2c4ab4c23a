"""What sections of a configuration are made of, and those that measuring code reads itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

Count = Annotated[int, Field(ge=1)]
LEAST_ROUNDS = 5
"""Below it the bootstrap interval of a median is too narrow."""


class Section(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Counts = Annotated[
    list[Count],
    BeforeValidator(_listed, json_schema_input_type=Count | list[Count]),
    Field(min_length=1),
]
"""One number, or a list of them."""
Mode = Literal["eager", "graph", "compiled"]


class Rounds(Section):
    """Variants are interleaved in randomised rounds; each round runs every variant once."""

    new_tokens: int = Field(default=12, ge=2, description="Tokens decoded after the first")
    rounds: int = Field(default=9, ge=LEAST_ROUNDS, description="The most rounds of a workload")
    warmup: int = Field(default=1, ge=1, description="Rounds that are run and not recorded")
    precision: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Stop once each interval of a ratio to dense is narrower than this share of it",
    )
    budget_s: float | None = Field(
        default=None, gt=0, description="Stop after the round in which these seconds are over"
    )


class Workload(Rounds):
    """One point of the grid."""

    prompt_tokens: Count = 128
    batch: Count = 1

    @property
    def name(self) -> str:
        return workload_name(self.batch, self.prompt_tokens)


def workload_name(batch: int, prompt_tokens: int) -> str:
    """Folder of its results."""
    return f"b{batch}-p{prompt_tokens}"


class Latency(Rounds):
    """Every batch with every prompt length is a workload; all are timed in one session."""

    prompt_tokens: Counts = Field(default=[128], description="Length of the prompt, or a list")
    batch: Counts = Field(default=[1], description="Sequences at once, or a list")
    ranks: list[Annotated[int, Field(ge=2)]] = Field(
        default=[], description="Numbers of ranks that time every variant, besides one device"
    )
    modes: list[Mode] = Field(
        default=["eager"], description="How decode steps run; eager, and on CUDA others besides"
    )

    @field_validator("prompt_tokens", "batch", "ranks", "modes")
    @classmethod
    def _once_each(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) != len(values):
            raise ValueError(f"a value appears twice in {values}; name each once")
        return values

    @field_validator("modes")
    @classmethod
    def _with_eager(cls, modes: list[str]) -> list[str]:
        if "eager" not in modes:
            raise ValueError(f"eager: missing from {modes}; add it, others are timed besides")
        return modes

    @property
    def workloads(self) -> list[Workload]:
        """The smallest first: where memory runs out, the others are measured."""
        shared = {name: getattr(self, name) for name in Rounds.model_fields}
        grid = [(batch, prompt) for batch in self.batch for prompt in self.prompt_tokens]
        return [
            Workload(batch=batch, prompt_tokens=prompt, **shared)
            for batch, prompt in sorted(grid, key=lambda point: (point[0] * point[1], point))
        ]


def explain(error: ValidationError) -> str:
    """The first fault as one line: key, what is wrong, the value."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling"
    if fault["type"] == "missing":
        return f"{key}: missing; config/README.md says what it is"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key}: {message}, got {fault['input']!r}"

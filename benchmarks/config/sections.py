"""What sections of a configuration are made of, and those that measuring code reads itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from cqil.engine.options import ExecutionMode

Count = Annotated[int, Field(ge=1)]
REFERENCE = "dense"
"""Name of the variant that everything is compared with."""
AA_CONTROL = "dense-control"
"""Dense under a second name: it cannot differ from dense, so a difference is noise."""
MIN_ROUNDS = 5
"""Below it the bootstrap interval of a median is too narrow."""


class ConfigSection(BaseModel):
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


class RoundsSection(ConfigSection):
    """Variants are interleaved in randomised rounds; each round runs every variant once."""

    new_tokens: int = Field(default=12, ge=2, description="Tokens decoded after the first")
    rounds: int = Field(default=9, ge=MIN_ROUNDS, description="The most rounds of a workload")
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


class Workload(RoundsSection):
    """One point of the grid."""

    prompt_tokens: Count = 128
    batch: Count = 1

    @property
    def name(self) -> str:
        return workload_name(self.batch, self.prompt_tokens)


def workload_name(batch: int, prompt_tokens: int) -> str:
    """Folder of its results."""
    return f"b{batch}-p{prompt_tokens}"


class LatencySection(RoundsSection):
    """Every batch with every prompt length is a workload; all are timed in one session."""

    prompt_tokens: Counts = Field(default=[128], description="Length of the prompt, or a list")
    batch: Counts = Field(default=[1], description="Sequences at once, or a list")
    ranks: list[Annotated[int, Field(ge=2)]] = Field(
        default=[], description="Numbers of ranks that time every variant, besides one device"
    )
    backends: list[str] = Field(
        default=["engine", "transformers"],
        min_length=1,
        description="What runs the variants: files of benchmarks/latency/backends",
    )
    modes: list[ExecutionMode] = Field(
        default=["eager"], description="How decode steps run; eager, and on CUDA others besides"
    )

    @field_validator("prompt_tokens", "batch", "ranks", "backends", "modes")
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
        shared = {name: getattr(self, name) for name in RoundsSection.model_fields}
        grid = [(batch, prompt) for batch in self.batch for prompt in self.prompt_tokens]
        return [
            Workload(batch=batch, prompt_tokens=prompt, **shared)
            for batch, prompt in sorted(grid, key=lambda point: (point[0] * point[1], point))
        ]


RENAMED_KEYS = {
    "choices": "multiple_choice",
    "lanes": "group_parallel_size",
    "shards": "tensor_parallel_size",
    "least": "min_layers",
    "pairs": "dataset",
}
"""Keys of configurations from before schema 2, and what they are called now."""


def explain_validation_error(error: ValidationError) -> str:
    """The first fault as one line: key, what is wrong, the value."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        if (new := RENAMED_KEYS.get(str(fault["loc"][-1]))) is not None:
            return f"{key}: is now called {new}; rename it"
        return f"{key}: unknown key; remove it or correct its spelling"
    if fault["type"] == "missing":
        return f"{key}: missing; config/README.md says what it is"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key}: {message}, got {fault['input']!r}"

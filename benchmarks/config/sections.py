"""Building blocks of a configuration, and the sections that measurements read. No torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from cqil.engine.options import ExecutionMode

Count = Annotated[int, Field(ge=1)]
"""A number of things, at least one."""
REFERENCE = "dense"
"""Name of the variant that all others are compared with."""
AA_CONTROL = "dense-control"
"""Name of the A/A control: dense timed a second time, so that each difference is noise."""
MIN_ROUNDS = 5
"""With fewer rounds the bootstrap interval of a median is too narrow."""


class ConfigSection(BaseModel):
    """A section of a configuration; unknown keys are errors, and `true` is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Counts = Annotated[
    list[Count],
    BeforeValidator(_as_list, json_schema_input_type=Count | list[Count]),
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
    """One batch size and prompt length, and how often it is timed."""

    prompt_tokens: Count = 128
    batch: Count = 1

    @property
    def name(self) -> str:
        """Folder of its results."""
        return workload_name(self.batch, self.prompt_tokens)


def workload_name(batch: int, prompt_tokens: int) -> str:
    """Folder of a workload's results."""
    return f"b{batch}-p{prompt_tokens}"


class LatencySection(RoundsSection):
    """Each pair of a batch and a prompt length is a workload; one session times all of them."""

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
        default=["eager"], description="How decode steps run; eager is required, CUDA offers others"
    )

    @field_validator("prompt_tokens", "batch", "ranks", "backends", "modes")
    @classmethod
    def _no_repeats(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) != len(values):
            raise ValueError(f"a value appears twice in {values}; name each value once")
        return values

    @field_validator("modes")
    @classmethod
    def _with_eager(cls, modes: list[str]) -> list[str]:
        if "eager" not in modes:
            raise ValueError(f"eager: missing from {modes}; add it as the reference of the others")
        return modes

    @property
    def workloads(self) -> list[Workload]:
        """All workloads, the smallest first: where memory runs out, the smaller ones are timed."""
        shared = {name: getattr(self, name) for name in RoundsSection.model_fields}
        grid = [(batch, prompt) for batch in self.batch for prompt in self.prompt_tokens]
        return [
            Workload(batch=batch, prompt_tokens=prompt, **shared)
            for batch, prompt in sorted(grid, key=lambda point: (point[0] * point[1], point))
        ]

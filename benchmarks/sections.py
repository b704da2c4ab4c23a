"""What sections of a configuration are made of, and those that measuring code reads itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(Section):
    """Variants are interleaved in randomised rounds within one session."""

    prompt_tokens: Count = Field(default=128, description="Length of the prompt")
    new_tokens: int = Field(default=12, ge=2, description="Tokens decoded after the first")
    batch: Count = Field(default=1, description="Sequences at once")
    rounds: int = Field(default=9, ge=3, description="Rounds; each runs every variant once")
    warmup: int = Field(default=1, ge=1, description="Rounds that are run and not recorded")
    ranks: list[Annotated[int, Field(ge=2)]] = Field(
        default=[], description="Numbers of ranks that time every variant, besides one device"
    )

    @field_validator("ranks")
    @classmethod
    def _once_each(cls, ranks: list[int]) -> list[int]:
        if len(set(ranks)) != len(ranks):
            raise ValueError(f"a number appears twice in {ranks}; name each once")
        return ranks


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

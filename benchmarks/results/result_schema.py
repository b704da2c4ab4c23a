"""Result files: what was measured, on what, and every raw sample. Imports no torch.

Writers, the workflow, the reports and the tests all use these classes. `result_kinds.py` tells how
the samples of each class become rows and pairs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from benchmarks.config.sections import Workload, workload_name
from benchmarks.results.files import write_json
from benchmarks.results.schema_parts import (
    BackendRecord,
    MachineState,
    Model,
    Provenance,
    Schema,
    StopReason,
)

Percent = Annotated[float, Field(ge=0, le=100 + 1e-9)]
Seconds = Annotated[float, Field(gt=0)]


class WindowSample(Schema):
    """The scored half of one window of text."""

    text: str = Field(description="Name of the text collection")
    document: str = Field(description="Start of the document's SHA-256")
    tokens: int = Field(ge=1, description="Scored tokens")
    bytes: int = Field(ge=1, description="UTF-8 length of the scored tokens")
    nll: float = Field(ge=0, description="Sum of negative log-likelihoods, nats")
    layers: float | None = Field(
        default=None,
        ge=0,
        description="Mean layers of a decoded token; null where all ran the plan",
    )


class MultipleChoiceSample(Schema):
    """One question of a multiple-choice task, with what its scores follow from."""

    task: str
    document: str = Field(description="Start of lm-eval's document hash")
    acc: Literal[0, 1] = Field(description="The most likely choice is right")
    acc_norm: Literal[0, 1] | None = Field(
        description="The same, by log-likelihood over characters; null where the task has none"
    )
    loglikelihoods: list[Annotated[float, Field(le=0)]] = Field(
        min_length=1, description="Of each choice, nats"
    )
    characters: list[Annotated[int, Field(ge=1)]] = Field(description="Of each choice")
    right: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1, description="Indices of the right choices"
    )
    one_token: bool = Field(description="Every choice is one token long, so no token is decoded")

    @model_validator(mode="after")
    def _scores_follow_from_loglikelihoods(self) -> MultipleChoiceSample:
        if len(self.characters) != len(self.loglikelihoods):
            raise ValueError("characters: one number a choice is needed")
        by_character = [
            nats / length for nats, length in zip(self.loglikelihoods, self.characters, strict=True)
        ]
        if self.acc != _picks(self.loglikelihoods, self.right):
            raise ValueError(f"acc: {self.acc} does not follow from the log-likelihoods")
        if self.acc_norm not in (None, _picks(by_character, self.right)):
            raise ValueError(f"acc_norm: {self.acc_norm} does not follow from the log-likelihoods")
        return self


def _picks(scores: Sequence[float], right: Sequence[int]) -> int:
    """1 where the first of the highest scores is that of a right choice."""
    return int(scores.index(max(scores)) in right)


class BleuCounts(Schema):
    """What BLEU sums over documents (sacreBLEU)."""

    counts: list[int] = Field(description="N-grams of the text that the reference has, N = 1 to 4")
    totals: list[int] = Field(description="N-grams of the text, N = 1 to 4")
    length: int = Field(description="Words of the text")
    reference_length: int


class GenerationSample(Schema):
    """One generated text."""

    document: str = Field(description="Start of the source's SHA-256")
    text: str = Field(description="Answer of the variant, up to the stop string")
    reference: str
    tokens: list[int] = Field(description="Token ids of the answer, the end token included")
    bleu: BleuCounts | None = Field(default=None, description="Null where the task has no BLEU")
    chrf: Percent | None = Field(default=None, description="Of this document, 0 to 100")
    rouge1: Percent | None = Field(default=None, description="F-measure, 0 to 100")
    rouge2: Percent | None = None
    rougeL: Percent | None = None


class _Result(Schema):
    """Fields that every kind of result has."""

    schema_version: Literal[2] = 2
    status: Literal["ok", "skipped", "failed"]
    reason: str | None = Field(default=None, description="Why there is no number")
    projected: Literal[False] = Field(default=False, description="True only for a model's output")
    variant: str
    method: str
    plan: dict[str, Any]
    slug: str
    early_exit: dict[str, Any] | None = Field(
        default=None, description="When decoded tokens leave the plan early; null where none does"
    )
    schedule: dict[str, Any] | None = Field(
        default=None,
        description="Plans that follow one another; null where `plan` serves all tokens",
    )
    edits: list[dict[str, Any]] = Field(
        default=[], description="Changes of the model's weights, with the digests of their files"
    )
    model: Model
    workload: dict[str, Any]
    provenance: Provenance
    digest: str = Field(
        default="", description="SHA-256 of all other fields: files are not edited by hand"
    )

    @model_validator(mode="after")
    def _samples_match_status(self) -> _Result:
        samples: list[Any] = getattr(self, "samples", [])  # each kind types its own samples
        if self.status == "ok" and not samples:
            raise ValueError("samples: empty, but status is ok")
        if self.status != "ok" and (samples or not self.reason):
            raise ValueError(f"reason: a {self.status} result needs one, and no samples")
        return self


class PerplexityResult(_Result):
    """Log-likelihoods of text windows."""

    kind: Literal["perplexity"] = "perplexity"
    samples: list[WindowSample]


class MultipleChoiceResult(_Result):
    """Answers to multiple-choice tasks."""

    kind: Literal["multiple_choice"] = "multiple_choice"
    task_versions: dict[str, str]
    samples: list[MultipleChoiceSample]


class GenerationResult(_Result):
    """Generated texts of one task."""

    kind: Literal["generation"] = "generation"
    task: str
    task_version: int
    samples: list[GenerationSample]


class LatencyResult(_Result):
    """Step times of one variant on one backend."""

    kind: Literal["latency"] = "latency"
    backend: BackendRecord
    layout: dict[str, Any] = Field(
        description="group_parallel_size, tensor_parallel_size, ungrouped_layers; empty where the "
        "variant did not run"
    )
    layers: float | None = Field(
        default=None,
        description="Layers of a decode step's deepest sequence, mean over the timed steps; null "
        "where every step ran the plan",
    )
    session: str = Field(description="Shared by results whose rounds were interleaved")
    stop_reason: StopReason | None = Field(default=None, description="What ended the rounds")
    machine_state: MachineState | None = Field(default=None, description="Of the whole session")
    weight_bytes: list[int] = Field(
        default=[], description="Bytes of weights that each rank holds for this variant"
    )
    samples: list[list[Seconds]] = Field(
        description="Seconds of each step by round; the first of a round is the prefill"
    )

    @field_validator("workload")
    @classmethod
    def _check_workload(cls, workload: dict[str, Any]) -> dict[str, Any]:
        if missing := sorted({"batch", "prompt_tokens"} - set(workload)):
            raise ValueError(f"{missing[0]} is missing")
        Workload.model_validate(workload)
        return workload

    @property
    def workload_name(self) -> str:
        """Folder of its workload."""
        return workload_name(self.workload["batch"], self.workload["prompt_tokens"])


Result = PerplexityResult | MultipleChoiceResult | GenerationResult | LatencyResult
"""Any result, told apart by `kind`."""
_ADAPTER: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="kind")])


def read_result(path: Path) -> Result:
    """The result as it was before it was written, without a digest.

    Raises pydantic's ValidationError where the file does not follow the schema, and ValueError
    where it holds other values than those that were measured.
    """
    result = _ADAPTER.validate_json(path.read_bytes())
    if result.digest != digest_of(result):
        raise ValueError("digest: the values are not those that were written; it was edited")
    return result.model_copy(update={"digest": ""})


def write_result(path: Path, result: Result) -> None:
    """Writes the file aside and renames it, so that no reader sees half of it."""
    # Validated once more, so that numbers have the types that a reader finds.
    checked = type(result).model_validate(result.model_dump())
    write_json(path, result.model_dump() | {"digest": digest_of(checked)})


def digest_of(result: Result) -> str:
    """SHA-256 of everything that the result says but its digest."""
    fields = result.model_dump(exclude={"digest"})
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

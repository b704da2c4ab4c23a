"""Result files: what a measurement was, on what, and every raw sample. Imports no torch.

Writers, the workflow, the reports and the tests all use these classes. A kind of result is one
`ResultKind` in `KINDS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from benchmarks.results.files import write_atomically
from benchmarks.results.schema import (
    BackendRecord,
    MachineState,
    Model,
    Provenance,
    Schema,
    StopReason,
)

Row = dict[str, Any]


class WindowSample(Schema):
    text: str = Field(description="Name of the text collection")
    document: str = Field(description="Start of the document's SHA-256")
    tokens: int = Field(description="Scored tokens")
    bytes: int = Field(description="UTF-8 length of the scored tokens")
    nll: float = Field(description="Sum of negative log-likelihoods, nats")
    layers: float | None = Field(
        default=None, description="Mean layers of a decoded token; null where all ran the plan"
    )


class MultipleChoiceSample(Schema):
    task: str
    document: str = Field(description="Start of lm-eval's document hash")
    acc: float
    acc_norm: float | None = Field(description="Length-normalised; none where the task has none")
    loglikelihoods: list[float] = Field(description="One per choice, nats")
    one_token: bool = Field(description="Every choice is one token long, so no token is decoded")


class BleuCounts(Schema):
    """What BLEU sums over documents (sacreBLEU)."""

    counts: list[int] = Field(description="N-grams that the reference has too, for N of 1 to 4")
    totals: list[int] = Field(description="N-grams of the text")
    length: int = Field(description="Words of the text")
    reference_length: int


class GenerationSample(Schema):
    document: str = Field(description="Start of the source's SHA-256")
    text: str = Field(description="What the variant wrote, up to the stop string")
    reference: str
    tokens: list[int] = Field(description="Token ids of the answer, the ending one included")
    bleu: BleuCounts | None = Field(default=None, description="None where the task has no BLEU")
    chrf: float | None = Field(default=None, description="Of this document, 0 to 100")
    rouge1: float | None = Field(default=None, description="F-measure, 0 to 100")
    rouge2: float | None = None
    rougeL: float | None = None


class _Result(Schema):
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
    model: Model
    workload: dict[str, Any]
    provenance: Provenance

    @model_validator(mode="after")
    def _samples_match_status(self) -> _Result:
        samples = self.samples  # type: ignore[attr-defined]
        if self.status == "ok" and not samples:
            raise ValueError("samples: empty, but status is ok")
        if self.status != "ok" and (samples or not self.reason):
            raise ValueError(f"reason: a {self.status} result needs one, and no samples")
        return self


class PerplexityResult(_Result):
    kind: Literal["perplexity"] = "perplexity"
    samples: list[WindowSample]


class MultipleChoiceResult(_Result):
    kind: Literal["multiple_choice"] = "multiple_choice"
    task_versions: dict[str, str]
    samples: list[MultipleChoiceSample]


class GenerationResult(_Result):
    kind: Literal["generation"] = "generation"
    task: str
    task_version: int
    schedule: dict[str, Any] | None = Field(
        default=None, description="Plans that followed one another; null where `plan` served all"
    )
    samples: list[GenerationSample]


class LatencyResult(_Result):
    kind: Literal["latency"] = "latency"
    backend: BackendRecord
    layout: dict[str, Any] = Field(
        description="group_parallel_size, tensor_parallel_size and ungrouped_layers; empty where "
        "nothing ran"
    )
    schedule: dict[str, Any] | None = Field(
        default=None, description="Plans that followed one another; null where `plan` served all"
    )
    layers: float | None = Field(
        default=None,
        description="Layers that a decode step ran, its deepest sequence's, mean over the timed "
        "steps; null where every step ran the plan",
    )
    session: str = Field(description="Results whose rounds were interleaved share it")
    stopped: StopReason | None = Field(default=None, description="What ended the rounds")
    machine_state: MachineState | None = Field(
        default=None, description="Of all that share the rounds"
    )
    samples: list[list[float]] = Field(
        description="Seconds of each step by round; the first of a round is the prefill"
    )

    @property
    def workload_name(self) -> str:
        """Folder of its workload."""
        return f"b{self.workload['batch']}-p{self.workload['prompt_tokens']}"


Result = PerplexityResult | MultipleChoiceResult | GenerationResult | LatencyResult
_ADAPTER: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="kind")])


def read_result(path: Path) -> Result:
    """Raises pydantic's ValidationError where the file does not follow the schema."""
    return _ADAPTER.validate_json(path.read_bytes())


def write_result(path: Path, result: Result) -> None:
    """Writes aside, then renames."""
    write_atomically(path, json.dumps(result.model_dump(), indent=1) + "\n")


@dataclass(frozen=True)
class ResultKind:
    """What the suite must know of one kind of result."""

    schema: type[Result]
    columns: tuple[str, ...]
    """Of the frame of its samples, after `variant`."""
    rows: Callable[[Any], Iterator[Row]]
    """Result -> rows of that frame."""
    pairing: Callable[[Any], Any]
    """Result -> what must be equal between variants for their samples to be compared in pairs."""
    paired_by: str = "documents"
    """What `pairing` compares, in a word."""


def _window_rows(result: PerplexityResult) -> Iterator[Row]:
    return (dict(sample) for sample in result.samples)


def _choice_rows(result: MultipleChoiceResult) -> Iterator[Row]:
    for sample in result.samples:
        row = dict(sample)
        choices = row.pop("loglikelihoods")
        yield row | {
            "leaf": sample.task,
            "task": parent_task(sample.task),
            "chance": 1 / len(choices),
        }


def _generation_rows(result: GenerationResult) -> Iterator[Row]:
    for sample in result.samples:
        row = {"task": result.task} | dict(sample)
        if (bleu := sample.bleu) is not None:
            row["bleu"] = [*bleu.counts, *bleu.totals, bleu.length, bleu.reference_length]
        yield row


def _step_rows(result: LatencyResult) -> Iterator[Row]:
    for number, steps in enumerate(result.samples):
        for step, seconds in enumerate(steps):
            yield {
                "backend": result.backend.name,
                "workload": result.workload_name,
                "round": number,
                "phase": "decode" if step else "prefill",
                "step": step,
                "seconds": seconds,
            }


def parent_task(task: str) -> str:
    """MMLU's subjects are one task; its documents then weigh the same."""
    return "mmlu" if task.startswith("mmlu_") else task


KINDS: dict[str, ResultKind] = {
    "perplexity": ResultKind(
        PerplexityResult,
        ("text", "document", "tokens", "bytes", "nll"),
        _window_rows,
        lambda result: [(s.text, s.document, s.tokens) for s in result.samples],
    ),
    "multiple_choice": ResultKind(
        MultipleChoiceResult,
        ("task", "leaf", "document", "acc", "acc_norm", "one_token", "chance"),
        _choice_rows,
        lambda result: [(s.task, s.document) for s in result.samples],
    ),
    "generation": ResultKind(
        GenerationResult,
        (
            *("task", "document", "text", "reference", "tokens"),
            *("bleu", "chrf", "rouge1", "rouge2", "rougeL"),
        ),
        _generation_rows,
        lambda result: [(s.document, s.reference) for s in result.samples],
    ),
    "latency": ResultKind(
        LatencyResult,
        ("backend", "workload", "round", "phase", "step", "seconds"),
        _step_rows,
        lambda result: result.session,
        paired_by="session",
    ),
}
"""By the name that results, folders and frames share."""

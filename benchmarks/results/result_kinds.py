"""How the samples of each kind of result become rows and pairs. Imports no torch.

A new kind of result is one `ResultKind` in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.results.result_schema import (
    GenerationResult,
    LatencyResult,
    MultipleChoiceResult,
    PerplexityResult,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class ResultKind:
    """How one kind of result is read."""

    columns: tuple[str, ...]
    """Columns of the data frame of its samples, after `variant`."""
    rows: Callable[[Any], Iterator[Row]]
    """Result -> rows of that data frame."""
    pairing: Callable[[Any], Any]
    """Result -> what must be equal between variants, so that samples are compared in pairs."""
    paired_by: str = "documents"
    """What `pairing` compares, in one word."""


def _window_rows(result: PerplexityResult) -> Iterator[Row]:
    return (dict(sample) for sample in result.samples)


def _choice_rows(result: MultipleChoiceResult) -> Iterator[Row]:
    for sample in result.samples:
        row = dict(sample)
        loglikelihoods = row.pop("loglikelihoods")
        yield row | {
            "leaf": sample.task,
            "task": parent_task(sample.task),
            "chance": 1 / len(loglikelihoods),
        }


def _generation_rows(result: GenerationResult) -> Iterator[Row]:
    for sample in result.samples:
        row = {"task": result.task} | dict(sample)
        if (bleu := sample.bleu) is not None:
            row["bleu"] = [*bleu.counts, *bleu.totals, bleu.length, bleu.reference_length]
        yield row


def _step_rows(result: LatencyResult) -> Iterator[Row]:
    for round_number, step_seconds in enumerate(result.samples):
        for step, seconds in enumerate(step_seconds):
            yield {
                "backend": result.backend.name,
                "workload": result.workload_name,
                "round": round_number,
                "phase": "decode" if step else "prefill",
                "step": step,
                "seconds": seconds,
            }


def parent_task(task: str) -> str:
    """The task that a leaf task belongs to: all subjects of MMLU are one task."""
    return "mmlu" if task.startswith("mmlu_") else task


KINDS: dict[str, ResultKind] = {
    "perplexity": ResultKind(
        ("text", "document", "tokens", "bytes", "nll"),
        _window_rows,
        lambda result: [(s.text, s.document, s.tokens) for s in result.samples],
    ),
    "multiple_choice": ResultKind(
        ("task", "leaf", "document", "acc", "acc_norm", "one_token", "chance"),
        _choice_rows,
        lambda result: [(s.task, s.document) for s in result.samples],
    ),
    "generation": ResultKind(
        (
            *("task", "document", "text", "reference", "tokens"),
            *("bleu", "chrf", "rouge1", "rouge2", "rougeL"),
        ),
        _generation_rows,
        lambda result: [(s.document, s.reference) for s in result.samples],
    ),
    "latency": ResultKind(
        ("backend", "workload", "round", "phase", "step", "seconds"),
        _step_rows,
        lambda result: result.session,
        paired_by="session",
    ),
}
"""Kind -> how it is read; results, folders and data frames share the name of the kind."""

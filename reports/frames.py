"""Raw samples as tidy frames, one row a sample."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.record import BleuCounts, GenerationResult, LatencyResult, Result
from benchmarks.sections import workload_name

COLUMNS = {
    "perplexity": ["text", "document", "tokens", "bytes", "nll"],
    "choices": ["task", "leaf", "document", "acc", "acc_norm", "one_token", "chance"],
    "generation": [
        "task",
        "document",
        "text",
        "reference",
        "tokens",
        "bleu",
        "chrf",
        "rouge1",
        "rouge2",
        "rougeL",
    ],
    "latency": ["path", "workload", "round", "phase", "step", "seconds"],
}


def frame(records: list[Result], kind: str) -> pd.DataFrame:
    """One row a sample; rows of every variant come in the same order."""
    rows = [
        {"variant": record.variant, **_origin(record), **_row(sample)}
        for record in records
        if record.kind == kind
        for sample in record.samples
    ]
    return pd.DataFrame(rows, columns=["variant", *COLUMNS[kind]])


def _origin(record: Result) -> dict[str, str]:
    if isinstance(record, GenerationResult):
        return {"task": record.task}
    if not isinstance(record, LatencyResult):
        return {}
    return {"path": record.path, "workload": workload_of(record)}


def workload_of(record: LatencyResult) -> str:
    """Folder of the workload that a result was measured with."""
    return workload_name(record.workload["batch"], record.workload["prompt_tokens"])


def _row(sample: Any) -> dict[str, Any]:
    row = dict(sample)
    if "loglikelihoods" in row:
        row["leaf"], row["task"] = row["task"], fold(row["task"])
        row["chance"] = 1 / len(row.pop("loglikelihoods"))
    if isinstance(bleu := row.get("bleu"), BleuCounts):
        row["bleu"] = [*bleu.counts, *bleu.totals, bleu.length, bleu.reference_length]
    return row


def fold(task: str) -> str:
    """MMLU's subjects are one task; its documents then weigh alike."""
    return "mmlu" if task.startswith("mmlu_") else task

"""Multiple-choice accuracy: lm-eval's tasks, prompts and metrics over phase-aware scoring."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Rows are local; the check for newer ones would need a hub. Progress is reported by Progress alone.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from lm_eval import simple_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.tasks import TaskManager
from transformers import PreTrainedTokenizerBase

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.data.lm_eval_tasks import leaf_tasks
from benchmarks.models.load_model import load_planned, load_tokenizer
from benchmarks.models.variants import Variant
from benchmarks.results.measurements import MultipleChoiceResult, MultipleChoiceSample
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.early_exit_rule import EarlyExitRule


class PhaseAwareLM(TemplateLM):
    """lm-eval's view of a planned model: contexts are prompts, continuations are decoded."""

    def __init__(
        self,
        model: PlannedLlamaForCausalLM,
        tokenizer: PreTrainedTokenizerBase,
        label: str,
        early_exit: EarlyExitRule | None = None,
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.label, self.early_exit = (
            model,
            tokenizer,
            label,
            early_exit,
        )
        self.one_token: dict[tuple[str, str], bool] = {}

    @property
    def eot_token_id(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def max_length(self) -> int:
        return self.model.config.max_position_embeddings

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        special = True if add_special_tokens is None else add_special_tokens
        return self.tokenizer(string, add_special_tokens=special)["input_ids"]

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        scored = []
        for strings, context, continuation in requests:
            self.one_token[strings] = len(continuation) == 1
            room = self.max_length - len(continuation)
            scored.append(ScoreRequest(tuple(context[-room:]), tuple(continuation)))
        with Progress(self.label, len(scored), "choices") as progress:
            scores = score_requests(
                self.model, scored, early_exit=self.early_exit, on_done=progress.to
            )
        return [(s.loglikelihood, s.greedy) for s in scores]

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        raise NotImplementedError("perplexity is measured by benchmarks/accuracy/perplexity.py")

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        raise NotImplementedError("the suite's tasks are multiple-choice: no text is generated")


def measure_multiple_choice(
    variant: Variant, tasks: dict[str, int | None], folder: Path, runtime: Runtime
) -> MultipleChoiceResult:
    """One sample a document; `folder` holds the task files.

    `tasks` gives the documents drawn from each, None for all; the seed makes them the same for
    every variant. MMLU's subjects each count as a task.
    """

    def measure(device: str) -> dict[str, Any]:
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        limits = {leaf: tasks[task] for task in tasks for leaf in leaf_tasks(task)}
        loaded = manager.load(list(limits))["tasks"]
        model = load_planned(variant, device, runtime.dtype)
        label = f"{variant.name} {'+'.join(tasks)}"
        lm = PhaseAwareLM(model, load_tokenizer(variant.manifest), label, variant.early_exit)
        drawn = {
            name: draw_documents(len(task.eval_docs), limits[name], runtime.seed)
            for name, task in loaded.items()
        }
        results = simple_evaluate(
            lm, tasks=list(loaded.values()), task_manager=manager, samples=drawn, bootstrap_iters=0
        )
        versions = {name: str(version) for name, version in results["versions"].items()}
        return {"samples": list(_samples(results["samples"], lm)), "task_versions": versions}

    return run_measurement(
        MultipleChoiceResult, variant, {"tasks": tasks}, runtime, measure, task_versions={}
    )


def draw_documents(total: int, documents: int | None, seed: int) -> list[int]:
    """Indices of the documents to score, ascending: all of them, or a seeded draw."""
    if documents is None or documents >= total:
        return list(range(total))
    return sorted(random.Random(seed).sample(range(total), documents))


def _samples(
    by_task: dict[str, list[dict[str, Any]]], lm: PhaseAwareLM
) -> Iterator[MultipleChoiceSample]:
    for task, rows in by_task.items():
        for row in rows:
            yield MultipleChoiceSample(
                task=task,
                document=row["doc_hash"][:16],
                acc=row["acc"],
                acc_norm=row.get("acc_norm"),
                loglikelihoods=[float(response[0]) for response in row["filtered_resps"]],
                one_token=all(lm.one_token[pair] for pair in row["arguments"]),
            )

"""Multiple-choice accuracy: tasks, prompts and metrics of lm-eval over phase-aware scoring."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Documents are local, so lm-eval must not look for newer ones on the hub. Only `Progress` reports.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from lm_eval import simple_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.tasks import TaskManager
from transformers import PreTrainedTokenizerBase

from benchmarks.accuracy.phase_aware_scoring import DepthRule, ScoreRequest, score_requests
from benchmarks.data.lm_eval_tasks import check_tasks, leaf_tasks
from benchmarks.models.load_model import load_planned
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from benchmarks.results.result_schema import MultipleChoiceResult, MultipleChoiceSample
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement
from cqil.modeling import PlannedLlamaForCausalLM


class PhaseAwareLM(TemplateLM):
    """A planned model as lm-eval sees it: contexts are prompts, continuations are decoded."""

    def __init__(
        self,
        model: PlannedLlamaForCausalLM,
        tokenizer: PreTrainedTokenizerBase,
        label: str,
        depth_rule: DepthRule | None = None,
    ) -> None:
        """`label` names the progress line; `depth_rule` as in `score_requests`."""
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.label, self.depth_rule = label, depth_rule
        self.one_token: dict[tuple[str, str], bool] = {}
        """(context, continuation) -> whether the continuation is one token."""

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text; it stands for an empty context."""
        return self.tokenizer.eos_token_id

    @property
    def max_length(self) -> int:
        """Tokens of the longest context with its continuation."""
        return self.model.config.max_position_embeddings

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids of a text; special tokens are added unless lm-eval says otherwise."""
        with_special_tokens = True if add_special_tokens is None else add_special_tokens
        return self.tokenizer(string, add_special_tokens=with_special_tokens)["input_ids"]

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation, and whether greedy decoding would give it.

        As in lm-eval a context that is too long loses its first tokens, with a warning. The last
        token of a continuation is scored but never read, so it needs no position. Raises ValueError
        for a continuation that is too long by itself.
        """
        score_inputs = []
        for texts, context, continuation in requests:
            self.one_token[texts] = len(continuation) == 1
            context_tokens = self.max_length + 1 - len(continuation)
            if context_tokens < 1:
                raise ValueError(
                    f"tasks: a continuation of {len(continuation)} tokens exceeds the model's "
                    f"context of {self.max_length}; leave the task out"
                )
            if len(context) > context_tokens:
                warnings.warn(
                    f"a context of {len(context)} tokens is cut to its last {context_tokens}",
                    stacklevel=2,
                )
            score_inputs.append(ScoreRequest(tuple(context[-context_tokens:]), tuple(continuation)))
        with Progress(self.label, len(score_inputs), "choices") as progress:
            scores = score_requests(
                self.model, score_inputs, depth_rule=self.depth_rule, on_done=progress.to
            )
        return [(s.loglikelihood, s.greedy) for s in scores]

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        """Not needed by the tasks of the suite."""
        raise NotImplementedError("perplexity is measured by benchmarks/accuracy/perplexity.py")

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """Not needed by the tasks of the suite."""
        raise NotImplementedError("tasks of the suite are multiple-choice: no text is generated")


def measure_multiple_choice(
    variant: Variant, tasks: dict[str, int | None], folder: Path, runtime: Runtime
) -> MultipleChoiceResult:
    """One sample for each document.

    `tasks`: task -> number of documents to draw, None for all. The seed makes the draw equal for
    all variants. Each subject of MMLU counts as a task. `folder`: holds a folder of files for each
    task. Raises ValueError as `check_tasks` does.
    """

    check_tasks(tasks, folder)

    def measure(device: str) -> dict[str, Any]:
        folders = [str(folder / task) for task in tasks]
        manager = TaskManager(include_path=folders, include_defaults=False)
        documents = {leaf: tasks[task] for task in tasks for leaf in leaf_tasks(task)}
        loaded_tasks = manager.load(list(documents))["tasks"]
        model = load_planned(variant, device, runtime.dtype)
        label = f"{variant.name} {'+'.join(tasks)}"
        lm = PhaseAwareLM(
            model, open_manifest(variant.manifest).tokenizer, label, variant.depth_rule
        )
        document_indices = {
            name: draw_documents(len(task.eval_docs), documents[name], runtime.seed)
            for name, task in loaded_tasks.items()
        }
        results = simple_evaluate(
            lm,
            tasks=list(loaded_tasks.values()),
            task_manager=manager,
            samples=document_indices,
            bootstrap_iters=0,
        )
        versions = {name: str(version) for name, version in results["versions"].items()}
        samples = list(_samples(results["samples"], loaded_tasks, lm))
        return {"samples": samples, "task_versions": versions}

    return run_measurement(
        MultipleChoiceResult, variant, {"tasks": tasks}, runtime, measure, task_versions={}
    )


def draw_documents(total: int, documents: int | None, seed: int) -> list[int]:
    """Indices of the documents to score, in ascending order: all, or a seeded draw."""
    if documents is None or documents >= total:
        return list(range(total))
    return sorted(random.Random(seed).sample(range(total), documents))


def _samples(
    rows_by_task: dict[str, list[dict[str, Any]]], tasks: dict[str, Any], lm: PhaseAwareLM
) -> Iterator[MultipleChoiceSample]:
    """The rows of lm-eval as samples of a result."""
    for name, rows in rows_by_task.items():
        for row in rows:
            yield MultipleChoiceSample(
                task=name,
                document=row["doc_hash"][:16],
                acc=int(row["acc"]),
                acc_norm=None if "acc_norm" not in row else int(row["acc_norm"]),
                loglikelihoods=[float(response[0]) for response in row["filtered_resps"]],
                characters=[len(choice) for choice in tasks[name].doc_to_choice(row["doc"])],
                right=_right_choices(tasks[name], row["doc"]),
                one_token=all(lm.one_token[texts] for texts in row["arguments"]),
            )


def _right_choices(task: Any, document: dict[str, Any]) -> list[int]:
    """Indices of the right choices, however the task names them, as lm-eval reads them."""
    gold = (task.doc_to_text if task.multiple_input else task.doc_to_target)(document)
    choices = task.doc_to_choice(document)
    golds = gold if isinstance(gold, list) else [gold]
    return [choices.index(gold) if isinstance(gold, str) else gold for gold in golds]

"""Texts that a variant writes: greedy, by the engine on one device, scored beside references.

The prompt runs with the prefill stages of a plan, and every token after the first with its decode
stages or with the plans of a schedule. Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from benchmarks.accuracy.padding import pad_tokens
from benchmarks.config.generation_tasks import GENERATION_TASKS, GenerationTask
from benchmarks.data.parallel_texts import fewshot_examples, scored_examples
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from benchmarks.results.result_schema import GenerationResult, GenerationSample
from benchmarks.results.text_metrics import score_text
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.engine import Engine
from cqil.errors import check_known


def measure_generation(
    variant: Variant, name: str, examples: Path, documents: int | None, batch: int, runtime: Runtime
) -> GenerationResult:
    """One sample for each document of the task `name`; `batch` documents are answered at once.

    `examples`: the file of the task; `documents`: how many to answer, None for all. Raises
    ValueError where a prompt and its answer do not fit into the context of the model.
    """
    check_known("task", name, GENERATION_TASKS)
    task = GENERATION_TASKS[name]

    def measure(device: str) -> dict[str, Any]:
        tokenizer = open_manifest(variant.manifest).tokenizer
        rows, fewshot = scored_examples(name, examples, documents), fewshot_examples(name, examples)
        prompts = [encode_prompt(tokenizer, task, fewshot, row["source"]) for row in rows]
        engine = load_variant_engine(variant, device, runtime.dtype)
        _check_context(name, task, prompts, engine.config.max_position_embeddings)
        with Progress(f"{variant.name} {name}", len(rows), "documents") as progress:
            answers = _answer_in_batches(engine, tokenizer, prompts, task, batch, progress)
        samples = [_sample(tokenizer, task, row, answers[index]) for index, row in enumerate(rows)]
        return {"samples": samples}

    workload = {
        "documents": documents,
        "batch": batch,
        "max_new_tokens": task.max_new_tokens,
        "shots": task.shots,
        "decoding": "greedy",
    }
    known = {"task": name, "task_version": task.version}
    return run_measurement(GenerationResult, variant, workload, runtime, measure, **known)


def _answer_in_batches(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    task: GenerationTask,
    batch: int,
    progress: Progress,
) -> dict[int, list[int]]:
    """Index of a prompt -> tokens of its answer."""
    # Prompts of similar length share a batch, so that padding is small.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: dict[int, list[int]] = {}
    for start in range(0, len(order), batch):
        indices = order[start : start + batch]
        batch_prompts = [prompts[index] for index in indices]
        batch_answers = generate_answers(engine, tokenizer, batch_prompts, task)
        answers |= dict(zip(indices, batch_answers, strict=True))
        progress.to(len(answers))
    return answers


def load_variant_engine(variant: Variant, device: str, dtype: str) -> Engine:
    """The engine of the plan or schedule of a variant, over its edited weights."""
    return Engine.load(
        open_manifest(variant.manifest),
        variant.schedule or variant.plan,
        dtype=DTYPES[dtype],
        device=device,
        edits=variant.edits,
    )


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    task: GenerationTask,
    fewshot: list[dict[str, str]],
    source: str,
) -> list[int]:
    """Tokens of a prompt: turns of a chat if the tokenizer has a chat template, else paragraphs.

    `fewshot`: rows that are shown before the source, each with its reference.
    """
    turns = [
        text for row in fewshot for text in (task.fill_prompt(row["source"]), row["reference"])
    ]
    turns.append(task.fill_prompt(source))
    if tokenizer.chat_template is None:
        return tokenizer("\n\n".join(turns) + "\n\n")["input_ids"]
    roles = ("user", "assistant")
    chat = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def generate_answers(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    task: GenerationTask,
) -> list[list[int]]:
    """Tokens of each answer, up to and including its end token or its first stop string."""
    ids_BT, mask_BT = pad_tokens(prompts, engine.device, left=True)
    answers: list[list[int]] = [[] for _ in prompts]
    running = set(range(len(prompts)))
    for token_B in engine.stream(ids_BT, mask_BT, max_new_tokens=task.max_new_tokens):
        for row in sorted(running):
            answers[row].append(int(token_B[row]))
            if _has_ended(engine, tokenizer, answers[row], task.stop):
                running.remove(row)
        if not running:
            break
    return answers


def answer_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int], stop: list[str]) -> str:
    """The text of an answer up to its first stop string.

    Stop strings in white space at the start of the answer do not count.
    """
    text = _decode(tokenizer, tokens)
    ends = [end for string in stop if (end := text.find(string)) >= 0]
    return text[: min(ends, default=len(text))].rstrip()


def _decode(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    return str(tokenizer.decode(tokens, skip_special_tokens=True)).lstrip()


def _has_ended(
    engine: Engine, tokenizer: PreTrainedTokenizerBase, tokens: list[int], stop: list[str]
) -> bool:
    """Whether the last token ends the answer, or a stop string is in it."""
    if tokens[-1] in engine.generation.eos_token_ids:
        return True
    text = _decode(tokenizer, tokens) if stop else ""
    return any(string in text for string in stop)


def _sample(
    tokenizer: PreTrainedTokenizerBase, task: GenerationTask, row: dict[str, str], tokens: list[int]
) -> GenerationSample:
    """The answer to one row, with its scores."""
    text = answer_text(tokenizer, tokens, task.stop)
    return GenerationSample(
        document=row["sha256"][:16],
        text=text,
        reference=row["reference"],
        tokens=tokens,
        **score_text(task, text, row["reference"]),
    )


def _check_context(name: str, task: GenerationTask, prompts: list[list[int]], context: int) -> None:
    """Raises ValueError where the longest prompt leaves too few tokens for its answer."""
    longest = max(map(len, prompts))
    if longest + task.max_new_tokens > context:
        raise ValueError(
            f"generation.tasks.{name}: a prompt of {longest} tokens and {task.max_new_tokens} new "
            f"ones exceed the model's {context}; lower first_words or max_new_tokens"
        )

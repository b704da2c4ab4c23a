"""Texts that a variant writes: greedy, by the engine on one device, scored beside references.

The prompt runs with a plan's prompt stages and every token after the first with its decode stages,
or with the schedule's plans. Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from benchmarks.config.generation_tasks import GENERATION_TASKS, GenerationTask
from benchmarks.data.parallel_texts import fewshot_examples, scored_examples
from benchmarks.models.load_model import load_dense, load_tokenizer
from benchmarks.models.variants import Variant
from benchmarks.results.measurements import GenerationResult, GenerationSample
from benchmarks.results.text_metrics import score_text
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement
from cqil.engine import Engine
from cqil.modeling.layer_merging import apply_merges


def measure_generation(
    variant: Variant, name: str, pairs: Path, documents: int | None, batch: int, runtime: Runtime
) -> GenerationResult:
    """One sample a document of the task `name`; `batch` documents are answered at once.

    Raises ValueError where a prompt and its answer do not fit into the model's context.
    """
    task = GENERATION_TASKS[name]

    def measure(device: str) -> dict[str, Any]:
        tokenizer = load_tokenizer(variant.manifest)
        rows, shown = scored_examples(name, pairs, documents), fewshot_examples(name, pairs)
        prompts = [encode_prompt(tokenizer, task, shown, row["source"]) for row in rows]
        engine = load_variant_engine(variant, device, runtime.dtype)
        _check_room(name, task, prompts, engine.config.max_position_embeddings)
        answers: dict[int, list[int]] = {}
        # Prompts of like length share a batch, so that little is padded.
        order = sorted(range(len(rows)), key=lambda index: len(prompts[index]))
        with Progress(f"{variant.name} {name}", len(rows), "documents") as progress:
            for start in range(0, len(order), batch):
                own = order[start : start + batch]
                written = write_answers(engine, tokenizer, [prompts[i] for i in own], task)
                answers |= dict(zip(own, written, strict=True))
                progress.to(len(answers))
        samples = [_sample(tokenizer, task, row, answers[index]) for index, row in enumerate(rows)]
        return {"samples": samples}

    workload = {
        "documents": documents,
        "batch": batch,
        "max_new_tokens": task.max_new_tokens,
        "shots": task.shots,
        "decoding": "greedy",
    }
    schedule = None if variant.schedule is None else variant.schedule.to_dict()
    known = {"task": name, "task_version": task.version, "schedule": schedule}
    return run_measurement(GenerationResult, variant, workload, runtime, measure, **known)


def load_variant_engine(variant: Variant, device: str, dtype: str) -> Engine:
    """The engine of the variant's plan or schedule; layers are merged where the variant asks."""
    runs = variant.schedule or variant.plan
    if not variant.merges:
        # From the files, since a dense model beside the engine would double the memory.
        return Engine.load(
            variant.manifest["path"], runs, dtype=getattr(torch, dtype), device=device
        )
    dense = load_dense(variant.manifest, device, dtype)
    apply_merges(dense, variant.merges)
    return Engine.from_dense(dense, runs)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    task: GenerationTask,
    shown: list[dict[str, str]],
    source: str,
) -> list[int]:
    """The prompt's tokens: turns of a chat where the tokenizer knows how, else plain paragraphs."""
    turns = [text for row in shown for text in (task.asked(row["source"]), row["reference"])]
    turns.append(task.asked(source))
    if tokenizer.chat_template is None:
        return tokenizer("\n\n".join(turns) + "\n\n")["input_ids"]
    roles = ("user", "assistant")
    chat = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def write_answers(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    task: GenerationTask,
) -> list[list[int]]:
    """Tokens of each answer, up to its end token or the first stop string, both included."""
    ids_BT, mask_BT = pad_left(prompts, engine.device)
    answers: list[list[int]] = [[] for _ in prompts]
    running = set(range(len(prompts)))
    for token_B in engine.stream(ids_BT, mask_BT, max_new_tokens=task.max_new_tokens):
        for row in sorted(running):
            answers[row].append(int(token_B[row]))
        running -= {row for row in running if _ended(engine, tokenizer, answers[row], task.stop)}
        if not running:
            break
    return answers


def pad_left(prompts: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask [B, T]; pads stand before the shorter prompts."""
    width = max(map(len, prompts))
    pads = [width - len(prompt) for prompt in prompts]
    ids = [[0] * pad + prompt for pad, prompt in zip(pads, prompts, strict=True)]
    mask = [[0] * pad + [1] * (width - pad) for pad in pads]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def answer_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int], stop: list[str]) -> str:
    """The answer without its end; white space before it cannot stop it."""
    text = str(tokenizer.decode(tokens, skip_special_tokens=True)).lstrip()
    ends = [found for string in stop if (found := text.find(string)) >= 0]
    return text[: min(ends, default=len(text))].rstrip()


def _ended(
    engine: Engine, tokenizer: PreTrainedTokenizerBase, tokens: list[int], stop: list[str]
) -> bool:
    ends = engine.config.eos_token_id
    if tokens[-1] in (ends if isinstance(ends, list) else [ends]):
        return True
    text = str(tokenizer.decode(tokens, skip_special_tokens=True)).lstrip() if stop else ""
    return any(string in text for string in stop)


def _sample(
    tokenizer: PreTrainedTokenizerBase, task: GenerationTask, row: dict[str, str], tokens: list[int]
) -> GenerationSample:
    text = answer_text(tokenizer, tokens, task.stop)
    return GenerationSample(
        document=row["sha256"][:16],
        text=text,
        reference=row["reference"],
        tokens=tokens,
        **score_text(task, text, row["reference"]),
    )


def _check_room(name: str, task: GenerationTask, prompts: list[list[int]], context: int) -> None:
    longest = max(map(len, prompts))
    if longest + task.max_new_tokens > context:
        raise ValueError(
            f"generation.tasks.{name}: a prompt of {longest} tokens and {task.max_new_tokens} new "
            f"ones exceed the model's {context}; lower first_words or max_new_tokens"
        )

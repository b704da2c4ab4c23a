"""Latency through the Hugging Face path on one device, all variants interleaved in one process.

Grouped layers run one after another here, so a grouped plan is no faster: what this measures is the
reference model, not a concurrent engine. Variants share one set of weights.
"""

from __future__ import annotations

import random
import time
import uuid

import torch
from transformers import DynamicCache

from benchmarks.models import load_dense
from benchmarks.progress import Progress
from benchmarks.record import LatencyResult, StepSample
from benchmarks.runtime import Runtime, once, outcome
from benchmarks.sections import Latency
from benchmarks.variants import Variant
from cqil.modeling import PlannedLlamaForCausalLM

PATH = "transformers, eager, grouped layers one after another"
"""What runs the model; stands in every result."""


def measure_latency(
    variants: list[Variant], workload: Latency, runtime: Runtime
) -> list[LatencyResult]:
    """One result a variant. Each round runs every variant once, in an order drawn anew.

    Raises ValueError where the variants are of different models.
    """
    if len({variant.manifest["sha256"] for variant in variants}) != 1:
        raise ValueError("variants: of different models; measure those of one model together")
    # One interleaved session serves all results; if memory runs out, it does so for all of them.
    interleaved = once(lambda device: _interleave(variants, workload, runtime, device))
    session = uuid.uuid4().hex
    described = workload.model_dump() | {"path": PATH}
    return [
        outcome(
            LatencyResult,
            variant,
            described,
            runtime,
            lambda device, name=variant.name: {
                "samples": interleaved(device)[name],
                "session": session,
            },
            session=session,
        )
        for variant in variants
    ]


def _interleave(
    variants: list[Variant], workload: Latency, runtime: Runtime, device: str
) -> dict[str, list[StepSample]]:
    """Variant name -> its samples. Warm-up rounds have negative numbers and are not kept."""
    samples: dict[str, list[StepSample]] = {variant.name: [] for variant in variants}
    dense = load_dense(variants[0].manifest, device, runtime.dtype)
    models = {v.name: PlannedLlamaForCausalLM.from_dense(dense, v.plan) for v in variants}
    prompt_BT = _random_prompt(
        dense.config.vocab_size, workload.batch, workload.prompt_tokens, runtime.seed
    )
    order, rounds = random.Random(runtime.seed), range(-workload.warmup, workload.rounds)
    with Progress("latency", len(rounds) * len(variants), "runs") as progress:
        for number in rounds:
            for name in order.sample(sorted(models), len(models)):
                timed = _run(models[name], prompt_BT.to(device), workload.new_tokens, number)
                samples[name] += timed if number >= 0 else []
                progress.update()
    return samples


def _random_prompt(vocabulary: int, batch: int, tokens: int, seed: int) -> torch.Tensor:
    """Token ids [B, T]; what they say does not matter for time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (batch, tokens), generator=generator)


@torch.inference_mode()
def _run(
    model: PlannedLlamaForCausalLM, prompt_BT: torch.Tensor, new_tokens: int, number: int
) -> list[StepSample]:
    """Prefill with the first token, then `new_tokens` cached greedy steps, each timed."""
    cache = DynamicCache(config=model.config)
    token_BT, phase, samples = prompt_BT, "prefill", []
    for step in range(new_tokens + 1):
        _synchronize(prompt_BT.device)
        began = time.perf_counter()
        logits_BTV = model(token_BT, past_key_values=cache, logits_to_keep=1, phase=phase).logits
        token_BT = logits_BTV[:, -1:].argmax(-1)
        _synchronize(prompt_BT.device)
        seconds = time.perf_counter() - began
        samples.append(StepSample(round=number, phase=phase, step=step, seconds=seconds))
        phase = "decode"
    return samples


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

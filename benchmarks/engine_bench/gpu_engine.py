"""The engine on one GPU, over random weights of LLaMA shapes. Needs only torch and transformers.

    python -m benchmarks.engine_bench.gpu_engine --out benchmarks/history/<date>-<gpu>

For each size: dense, pairs, fours and eights over the middle of the stack, in eager, graph and
compiled steps, against `generate` of Transformers and the card's own copy bandwidth. Weights are
random, so this says nothing of quality. One JSON a setting; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig

from benchmarks.latency.runners import TransformersRunner
from benchmarks.models.random_weights import random_model, random_reader
from cqil.engine import Engine
from cqil.engine.options import ExecutionMode
from cqil.engine.step_clock import step_times
from cqil.engine.throughput import copy_bandwidth
from cqil.plan import LayerPlan, dense_plan, uniform_plan

SIZES = {  # layers, hidden, intermediate, heads
    "tiny": (16, 64, 128, 4),
    "1.3B": (24, 2048, 5504, 16),
    "7B": (32, 4096, 11008, 32),
    "13B": (40, 5120, 13824, 40),
    "33B": (60, 6656, 17920, 52),
}


NEW_TOKENS, ROUNDS = 64, 5


COMPILED = (("1.3B", "7B"), 1, 128)
"""Sizes, batch and context that are compiled too; compiling takes a minute a plan."""


@dataclass(frozen=True)
class Setting:
    size: str
    plan: LayerPlan
    batch: int
    context: int
    mode: ExecutionMode | str

    @property
    def name(self) -> str:
        return f"{self.size}-{self.plan.slug}-b{self.batch}-c{self.context}-{self.mode}"


def settings(sizes: list[str], device: str) -> Iterator[Setting]:
    """What differs only in mode, batch and context comes together, so that weights stay."""
    for size in sizes:
        layers = SIZES[size][0]
        start, end = layers // 4, layers // 4 + layers // 2 // 8 * 8
        plans = [dense_plan(layers), *(uniform_plan(layers, start, end, p) for p in (2, 4, 8))]
        for plan in plans:
            for batch in (1, 8):
                for context in (128, 2048) if size != "tiny" else (16,):
                    modes: list[str] = ["eager"] + ["cuda_graph"] * (device == "cuda")
                    if size in COMPILED[0] and (batch, context) == COMPILED[1:]:
                        modes.append("compiled")
                    for mode in modes:
                        yield Setting(size, plan, batch, context, mode)
        yield Setting(size, plans[0], 1, 16 if size == "tiny" else 128, "generate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Folder for the raw results")
    parser.add_argument("--sizes", default="7B,1.3B,13B,33B", help="Of " + ", ".join(SIZES))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=540, help="Starts nothing new after these")
    arguments = parser.parse_args()
    sizes = arguments.sizes.split(",")
    if unknown := [size for size in sizes if size not in SIZES]:
        parser.error(f"--sizes: {unknown[0]!r} is unknown; use {', '.join(SIZES)}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: this machine has no CUDA device")
    arguments.out.mkdir(parents=True, exist_ok=True)
    deadline, held = time.monotonic() + arguments.seconds, KeptModel(arguments.device)
    for setting in settings(sizes, arguments.device):
        path = arguments.out / f"{setting.name}.json"
        if path.exists():
            continue
        if time.monotonic() > deadline:
            print(f"time is up before {setting.name}; run the same command again")
            return
        result = measure(setting, held)
        aside = path.with_suffix(".partial")
        aside.write_text(json.dumps(result) + "\n")
        aside.rename(path)
        print(f"{setting.name}: {1e3 * result['median_s']:.3f} ms", flush=True)


class KeptModel:
    """The model in memory: one at a time, kept while settings ask for the same."""

    def __init__(self, device: str) -> None:
        self.device, self.key, self.model = device, (), None

    def get(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key != self.key:
            self.model = None
            gc.collect()
            if self.device == "cuda":
                torch.cuda.empty_cache()
            self.key, self.model = key, make()
        return self.model


def measure(setting: Setting, held: KeptModel) -> dict[str, Any]:
    """Raw decode times, what they read, and the card as it was."""
    device = held.device
    before = card(device)
    roof = copy_bandwidth(device)
    prompt_BT = torch.randint(3, 1000, (setting.batch, setting.context), device=device)
    config = configuration(setting.size)
    if setting.mode == "generate":
        model = held.get((setting.size, "generate"), lambda: random_model(config, device))
        runner = TransformersRunner(model)
        rounds = [runner.run(prompt_BT, NEW_TOKENS)[1:] for _ in range(ROUNDS + 1)][1:]
        step_bytes, kernels = None, []
    else:
        engine = held.get(
            (setting.size, setting.plan),
            lambda: Engine(config, setting.plan, random_reader(config, device)),
        )
        engine.set_mode(setting.mode)
        rounds = [step_times(engine, prompt_BT, NEW_TOKENS)[1:] for _ in range(ROUNDS + 1)][1:]
        step_bytes = engine.step_bytes
        kernels = launches(engine) if setting.mode == "eager" else []
    flat = sorted(seconds for steps in rounds for seconds in steps)
    return {
        "setting": setting.name,
        "size": setting.size,
        "plan": setting.plan.to_dict(),
        "batch": setting.batch,
        "context": setting.context,
        "mode": setting.mode,
        "new_tokens": NEW_TOKENS,
        "rounds": rounds,
        "median_s": flat[len(flat) // 2],
        "step_bytes": step_bytes,
        "copy_bytes_per_s": roof,
        "kernels": kernels,
        "card_before": before,
        "card_after": card(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "weights": "random, bfloat16" if device == "cuda" else "random, float32",
    }


@torch.inference_mode()
def launches(engine: Engine, steps: int = 3) -> list[dict[str, Any]]:
    """Time and number of launches of each kernel in one eager decode step after the last."""
    if engine.device.type != "cuda":
        return []
    engine.cache.length -= steps
    token_B = torch.zeros(engine.cache.batch, dtype=torch.long, device=engine.device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(steps):
            engine.decode_step(token_B)
        torch.cuda.synchronize()
    return [
        {
            "kernel": event.key,
            "launches": event.count / steps,
            "us": event.self_device_time_total / steps,
        }
        for event in profile.key_averages()
        if event.self_device_time_total > 0
    ]


def configuration(size: str) -> LlamaConfig:
    layers, hidden, intermediate, heads = SIZES[size]
    return LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_attention_heads=heads,
        vocab_size=32000,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
    )


def card(device: str) -> dict[str, str]:
    """What the driver says of the card: name, clocks, power, temperature."""
    if device != "cuda":
        return {"name": "cpu"}
    fields = "name,driver_version,clocks.sm,clocks.mem,power.draw,temperature.gpu"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(zip(fields.split(","), map(str.strip, line.split(",")), strict=True))


if __name__ == "__main__":
    main()

"""Measures one setting of `gpu_engine` over random weights. Needs torch and transformers only.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

import gc
import platform
import subprocess
from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers import LlamaConfig

from benchmarks.engine_bench.gpu_settings import SIZES, GpuSetting
from benchmarks.latency.runners import TransformersRunner
from benchmarks.models.random_weights import llama_config, random_model, random_reader
from cqil.engine import Engine
from cqil.engine.step_clock import step_times
from cqil.engine.throughput import copy_bandwidth

NEW_TOKENS, ROUNDS = 64, 5
PROFILED_STEPS = 3
"""Decode steps over which kernel launches are counted."""


class KeptModel:
    """The model in memory: one at a time, kept as long as settings use it."""

    def __init__(self, device: str) -> None:
        """`device`: cpu or cuda."""
        self.device = device
        self._key: tuple[Any, ...] = ()
        self._model: Any = None

    def get(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """The model of that key; memory is freed before another one is made."""
        if key != self._key:
            self._model = None
            gc.collect()
            if self.device == "cuda":
                torch.cuda.empty_cache()
            self._key, self._model = key, make()
        return self._model


def measure_setting(setting: GpuSetting, kept: KeptModel) -> dict[str, Any]:
    """Seconds of decode steps by round, the bytes that they read, and the state of the GPU."""
    device = kept.device
    gpu_before = gpu_state(device)
    bandwidth = copy_bandwidth(device)
    prompt_BT = torch.randint(3, 1000, (setting.batch, setting.context), device=device)
    config = llama_config(SIZES[setting.size], max_position_embeddings=4096)
    time_setting = _time_generate if setting.mode == "generate" else _time_engine
    times = time_setting(setting, kept, config, prompt_BT)
    seconds = sorted(seconds for steps in times["rounds"] for seconds in steps)
    return {
        "setting": setting.name,
        "size": setting.size,
        "plan": setting.plan.to_dict(),
        "batch": setting.batch,
        "context": setting.context,
        "mode": setting.mode,
        "new_tokens": NEW_TOKENS,
        "median_s": seconds[len(seconds) // 2],
        "copy_bytes_per_s": bandwidth,
        "gpu_before": gpu_before,
        "gpu_after": gpu_state(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "weights": "random, bfloat16" if device == "cuda" else "random, float32",
    } | times


def _time_generate(
    setting: GpuSetting, kept: KeptModel, config: LlamaConfig, prompt_BT: torch.Tensor
) -> dict[str, Any]:
    """Decode times of `generate` of Transformers; the first round warms up."""
    model = kept.get((setting.size, "generate"), lambda: random_model(config, kept.device))
    runner = TransformersRunner(model)
    rounds = [runner.run(prompt_BT, NEW_TOKENS)[1:] for _ in range(1 + ROUNDS)]
    return {"rounds": rounds[1:], "step_bytes": None, "kernels": []}


def _time_engine(
    setting: GpuSetting, kept: KeptModel, config: LlamaConfig, prompt_BT: torch.Tensor
) -> dict[str, Any]:
    """Decode times of the engine, and its kernels in eager mode; the first round warms up."""
    assert setting.mode != "generate"
    engine: Engine = kept.get(
        (setting.size, setting.plan),
        lambda: Engine(config, setting.plan, random_reader(config, kept.device)),
    )
    engine.set_mode(setting.mode)
    rounds = [step_times(engine, prompt_BT, NEW_TOKENS)[1:] for _ in range(1 + ROUNDS)]
    step_bytes = engine.step_bytes
    kernels = kernel_launches(engine) if setting.mode == "eager" else []
    return {"rounds": rounds[1:], "step_bytes": step_bytes, "kernels": kernels}


@torch.inference_mode()
def kernel_launches(engine: Engine) -> list[dict[str, Any]]:
    """Microseconds and launches of each kernel in one eager decode step; none on CPU."""
    if engine.device.type != "cuda":
        return []
    engine.cache.length -= PROFILED_STEPS
    token_B = torch.zeros(engine.cache.batch, dtype=torch.long, device=engine.device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(PROFILED_STEPS):
            engine.decode_step(token_B)
        torch.cuda.synchronize()
    return [
        {
            "kernel": event.key,
            "launches": event.count / PROFILED_STEPS,
            "us": event.self_device_time_total / PROFILED_STEPS,
        }
        for event in profile.key_averages()
        if event.self_device_time_total > 0
    ]


def gpu_state(device: str) -> dict[str, str]:
    """Name, driver, clocks, power and temperature of the first GPU, as nvidia-smi prints them.

    `benchmarks.results.gpu_state` is not used, since it needs pydantic and NVML.
    """
    if device != "cuda":
        return {"name": "cpu"}
    fields = "name,driver_version,clocks.sm,clocks.mem,power.draw,temperature.gpu"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(zip(fields.split(","), map(str.strip, line.split(",")), strict=True))

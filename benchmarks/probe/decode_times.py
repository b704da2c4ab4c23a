"""What a rank measures of decode steps: engines over random weights, one on each rank.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.models.random_weights import llama_config, random_reader
from benchmarks.probe.rank_samples import (
    ProbeDevice,
    ProbeEffort,
    Times,
    repeat,
    time_in_turn,
    wait_in_turn,
)
from cqil.engine import Engine
from cqil.engine.options import ExecutionMode
from cqil.plan import LayerPlan

_ENGINES: dict[LayerPlan, Engine] = {}
"""Plan -> engine of this rank."""


def load_engines(rank: int, shape: ModelShape, plans: list[LayerPlan], device: ProbeDevice) -> None:
    """Loads an engine of one device for each plan, over random weights."""
    config = llama_config(shape)
    read = random_reader(config, str(device.torch_device), device.torch_dtype)
    _ENGINES.clear()
    for plan in plans:
        _ENGINES[plan] = Engine(config, plan, read)


@torch.inference_mode()
def time_decode_steps(
    rank: int, active_ranks: int, mode: ExecutionMode, device: ProbeDevice, effort: ProbeEffort
) -> dict[LayerPlan, tuple[int, Times]]:
    """Plan -> bytes of a decode step, and its seconds on the first `active_ranks` at once."""
    if rank >= active_ranks:
        wait_in_turn(len(_ENGINES), effort.rounds)
        return {}
    for engine in _ENGINES.values():
        engine.set_mode(mode)
    prompt_BT = torch.ones(1, effort.context, dtype=torch.long, device=device.torch_device)
    max_tokens = effort.context + effort.steps

    def prefill(plan: LayerPlan) -> None:
        _ENGINES[plan].prefill(prompt_BT, max_tokens=max_tokens)

    calls = {plan: _decode(engine, prompt_BT, effort.steps) for plan, engine in _ENGINES.items()}
    times = time_in_turn(calls, device.torch_device, effort.rounds, prepare=prefill)
    return {
        plan: (engine.step_bytes, [seconds / effort.steps for seconds in times[plan]])
        for plan, engine in _ENGINES.items()
    }


def _decode(engine: Engine, prompt_BT: torch.Tensor, steps: int) -> Callable[[], object]:
    """Decodes so many steps, each with the last token of the prompt."""
    return lambda: repeat(steps, lambda: engine.decode_step(prompt_BT[:, -1]))

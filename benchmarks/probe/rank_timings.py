"""What ranks measure of their machine: functions that a gang runs. Needs torch and transformers.

Each returns one time a round; where ranks work together, the caller takes the slowest's.
Shape suffixes: N numbers of a message, R x C a matrix that is read, B sequences, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import torch
import torch.distributed as dist
from transformers import LlamaConfig

from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.models.random_weights import random_reader
from cqil.engine import Engine
from cqil.engine.cuda_graph import capture_cuda_graph
from cqil.engine.step_clock import synchronized_time
from cqil.engine.weights.safetensors_reader import DTYPES
from cqil.plan import LayerPlan

Times = list[float]


@dataclass(frozen=True, kw_only=True)
class ProbeEffort:
    """How much is measured; small for tests."""

    rounds: int
    repeats: int
    """Messages, or small operations, of one sample."""
    large_bytes: int
    """Of a copy or a read: must leave every cache."""
    product: int
    """Side of the square matrices that are multiplied."""
    load_bytes: int
    """Read between two messages, as a layer's part is in a decode step."""
    steps: int
    """Decoded tokens of one sample."""
    context: int
    """Tokens of the prompt before them."""


@dataclass(frozen=True)
class ProbeDevice:
    """Where a rank measures: device type, and type of numbers."""

    device: str
    dtype: str

    @property
    def here(self) -> torch.device:
        """The device of this rank."""
        index = torch.cuda.current_device() if self.device == "cuda" else None
        return torch.device(self.device, index)

    @property
    def numbers(self) -> torch.dtype:
        return DTYPES[self.dtype]


@torch.inference_mode()
def time_messages(
    rank: int, kind: str, size: int, modes: list[str], place: ProbeDevice, effort: ProbeEffort
) -> dict[str, Times]:
    """Mode -> seconds of one message of `size` bytes. `silent` is the load of `loaded` alone."""
    message_N = torch.ones(size // place.numbers.itemsize, device=place.here, dtype=place.numbers)
    send = _sender(rank, kind, message_N)
    load = _load(place, effort) if "under_load" in modes else None
    samples: dict[str, Callable[[], None]] = {}
    for mode in modes:
        if mode == "eager":
            samples[mode] = lambda: _repeat(effort.repeats, send)
        elif mode == "cuda_graph":
            samples[mode] = _captured(place, effort.repeats, send)
        else:
            samples[mode] = lambda: _repeat(effort.repeats, load, send)
            samples["load_only"] = lambda: _repeat(effort.repeats, load)
    return {
        mode: [seconds / effort.repeats for seconds in times]
        for mode, times in _in_turns(samples, place, effort.rounds).items()
    }


def _sender(rank: int, kind: str, message_N: torch.Tensor) -> Callable[[], None]:
    """Broadcasts and sends come from the first and the second rank in turn: none runs ahead."""
    if kind == "all_reduce":
        return lambda: dist.all_reduce(message_N, op=dist.ReduceOp.MAX)
    turn = cycle((0, 1))

    def send() -> None:
        source = next(turn)
        if kind == "broadcast":
            dist.broadcast(message_N, src=source)
        elif rank == source:
            dist.send(message_N, 1 - source)
        elif rank == 1 - source:
            dist.recv(message_N, source)

    return send


def _load(place: ProbeDevice, effort: ProbeEffort) -> Callable[[], None]:
    """One product a call, over matrices that together leave every cache."""
    columns = 1024
    rows = max(1, effort.load_bytes // place.numbers.itemsize // columns)
    count = max(1, effort.large_bytes // effort.load_bytes)
    weights_RC = [
        torch.ones(rows, columns, device=place.here, dtype=place.numbers) for _ in range(count)
    ]
    x_C = torch.ones(columns, device=place.here, dtype=place.numbers)
    weights = cycle(weights_RC)

    def read() -> None:
        torch.mv(next(weights), x_C)

    return read


@torch.inference_mode()
def time_rates(
    rank: int, active_ranks: int, place: ProbeDevice, effort: ProbeEffort
) -> dict[str, Times]:
    """Seconds of a copy, a read and a product on each of the first `readers` ranks at once."""
    if rank >= active_ranks:
        for _ in range((effort.rounds + 1) * 3):
            dist.barrier()
        return {}
    whole = effort.large_bytes // place.numbers.itemsize
    weights_RC = torch.ones(whole // 1024, 1024, device=place.here, dtype=place.numbers)
    target_RC, x_C = torch.empty_like(weights_RC), weights_RC[0].clone()
    square = torch.ones(effort.product, effort.product, device=place.here, dtype=place.numbers)
    samples: dict[str, Callable[[], None]] = {
        "copy": lambda: target_RC.copy_(weights_RC),  # type: ignore[dict-item]
        "read": lambda: torch.mv(weights_RC, x_C),  # type: ignore[dict-item]
        "matmul": lambda: torch.mm(square, square),  # type: ignore[dict-item]
    }
    return _in_turns(samples, place, effort.rounds)


_ENGINES: dict[LayerPlan, Engine] = {}
"""Of this rank."""


def load_engines(rank: int, shape: ModelShape, plans: list[LayerPlan], place: ProbeDevice) -> None:
    """Engines over random weights; a rank of its own each, on one device."""
    config = LlamaConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
    )
    read = random_reader(config, str(place.here), place.numbers)
    _ENGINES.clear()
    for plan in plans:
        _ENGINES[plan] = Engine(config, plan, read)


@torch.inference_mode()
def time_steps(
    rank: int, active_ranks: int, mode: str, place: ProbeDevice, effort: ProbeEffort
) -> dict[LayerPlan, tuple[int, Times]]:
    """Plan -> bytes of a decode step, and seconds of one, on the first `readers` ranks at once."""
    if rank >= active_ranks:
        for _ in range((effort.rounds + 1) * len(_ENGINES)):
            dist.barrier()
        return {}
    for engine in _ENGINES.values():
        engine.set_mode(mode)  # type: ignore[arg-type]
    prompt_BT = torch.ones(1, effort.context, dtype=torch.long, device=place.here)
    samples = {
        plan: _decoding(engine, prompt_BT, effort.steps) for plan, engine in _ENGINES.items()
    }
    times = _in_turns(samples, place, effort.rounds, before=_prefill(prompt_BT, effort.steps))
    return {
        plan: (engine.step_bytes, [seconds / effort.steps for seconds in times[plan]])
        for plan, engine in _ENGINES.items()
    }


def _prefill(prompt_BT: torch.Tensor, steps: int) -> Callable[[LayerPlan], None]:
    def start(plan: LayerPlan) -> None:
        _ENGINES[plan].prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + steps)

    return start


def _decoding(engine: Engine, prompt_BT: torch.Tensor, steps: int) -> Callable[[], None]:
    return lambda: _repeat(steps, lambda: engine.decode_step(prompt_BT[:, -1]))


@torch.inference_mode()
def time_launches(rank: int, mode: str, place: ProbeDevice, effort: ProbeEffort) -> Times:
    """Seconds of one addition to one number, back to back."""
    x_N = torch.ones(1, device=place.here)

    def add() -> None:
        x_N.add_(1)

    graph = _captured(place, effort.repeats, add) if mode == "cuda_graph" else None
    samples = {mode: graph or (lambda: _repeat(effort.repeats, add))}
    return [s / effort.repeats for s in _in_turns(samples, place, effort.rounds)[mode]]


def _in_turns(
    samples: dict, place: ProbeDevice, rounds: int, before: Callable | None = None
) -> dict[object, Times]:
    """Seconds of each sample by round, ranks starting together; the first round warms up."""
    times: dict[object, Times] = {name: [] for name in samples}
    for _ in range(rounds + 1):
        for name, sample in samples.items():
            if before is not None:
                before(name)
            dist.barrier()
            began = synchronized_time(place.here)
            sample()
            times[name].append(synchronized_time(place.here) - began)
    return {name: found[1:] for name, found in times.items()}


def _repeat(times: int, *actions: Callable[[], object] | None) -> None:
    for _ in range(times):
        for action in actions:
            assert action is not None
            action()


def _captured(place: ProbeDevice, times: int, action: Callable[[], object]) -> Callable[[], object]:
    """Replays a CUDA graph of so many actions, one after another."""
    graph, _ = capture_cuda_graph(lambda: _repeat(times, action), place.here)
    return graph.replay

"""`cqil generate`: one request, answered by the engine on one device or on several ranks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import torch

from cqil.checkpoint import Checkpoint, open_checkpoint
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.cli.cpu_name import cpu_name
from cqil.edits.weight_edit import Edits
from cqil.engine import Engine
from cqil.engine.checkpoint_checks import check_checkpoint
from cqil.engine.options import PROCESS_GROUP_BACKENDS, EngineOptions
from cqil.engine.parallel.rank_device import device_type_of, rank_device
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.parallel.worker_process import join_process_group
from cqil.engine.throughput import GenerationSpeed, copy_bandwidth, time_generation
from cqil.errors import check_known
from cqil.plan import LayerPlan
from cqil.plan.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What to generate, and on what."""

    path: str
    """Directory or hub id of the model."""
    plan: LayerPlan | Schedule
    prompt: str
    max_new_tokens: int
    edits: Edits = ()
    options: EngineOptions = field(default_factory=EngineOptions)
    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    """CPU threads of each rank; None divides the cores evenly."""

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return self.options.layout.world_size


@dataclass(frozen=True)
class _RankAnswer:
    rank: int
    tokens: list[int]
    speed: GenerationSpeed
    copy_bytes_per_s: float
    device: str


def answer_request(request: GenerationRequest) -> tuple[str, list[str]]:
    """The text, and a line on the speed of each rank.

    Raises ValueError with one line for a request that cannot be served, before any rank starts.
    """
    request = _resolved(request)
    checkpoint = open_checkpoint(request.path)
    if request.world_size > 1 and not _started_by_torchrun():
        check_checkpoint(checkpoint, request.plan, request.options.layout)
    checkpoint.generation.check()
    ids = _prompt_ids(checkpoint, request)
    answers = _answers(request, ids)
    text = checkpoint.tokenizer.decode(ids + answers[0].tokens, skip_special_tokens=True)
    lines = [_speed_line(request, answer) for answer in answers]
    if answers[0].rank > 0:  # torchrun runs this command on every rank
        return "", lines
    if request.options.communicator == "none" and request.world_size > 1:
        lines.append("communicator: none, so ranks did not communicate and the text is wrong")
    return str(text), lines


def _resolved(request: GenerationRequest) -> GenerationRequest:
    """The request with every `auto` decided, after all checks that need no weights."""
    check_known("dtype", request.dtype, DTYPES)
    check_known("device", request.device, ("auto", "cpu", "cuda"))
    device = device_type_of(request.device)
    request.options.check(device)
    threads = request.threads or max(1, (os.cpu_count() or 1) // request.world_size)
    return replace(request, device=device, threads=threads)


def _prompt_ids(checkpoint: Checkpoint, request: GenerationRequest) -> list[int]:
    """Tokens of the prompt. Raises ValueError where it is empty, or too long for the model."""
    ids: list[int] = checkpoint.tokenizer(request.prompt)["input_ids"]
    if not ids:
        raise ValueError("prompt: is empty; give at least one token")
    new = request.max_new_tokens
    what = f"max_new_tokens: {new} after a prompt of {len(ids)} tokens; shorten one of them"
    checkpoint.check_context(len(ids) + new, what)
    return ids


def _started_by_torchrun() -> bool:
    return "RANK" in os.environ


def _answers(request: GenerationRequest, ids: list[int]) -> list[_RankAnswer]:
    if request.world_size == 1:
        return [_generate(0, request, ids)]
    backend = PROCESS_GROUP_BACKENDS[request.device]
    if _started_by_torchrun():
        return [_generate(join_process_group(backend), request, ids)]
    assert request.threads is not None
    # A long text may take any time, and its reader can interrupt it.
    with WorkerGroup(
        request.world_size, backend=backend, threads=request.threads, call_s=None
    ) as workers:
        return workers.run(_generate, request, ids)


def _generate(rank: int, request: GenerationRequest, ids: list[int]) -> _RankAnswer:
    assert request.threads is not None
    torch.set_num_threads(request.threads)
    device = rank_device(request.device)
    engine = Engine.load(
        request.path,
        request.plan,
        dtype=DTYPES[request.dtype],
        device=device,
        rank=rank,
        options=request.options,
        edits=request.edits,
    )
    prompt_BT = torch.tensor([ids], device=device)
    tokens_BT, speed = time_generation(engine, prompt_BT, None, request.max_new_tokens)
    return _RankAnswer(
        rank, tokens_BT[0].tolist(), speed, copy_bandwidth(device), _device_name(device)
    )


def _speed_line(request: GenerationRequest, answer: _RankAnswer) -> str:
    """Tokens a second, bandwidth, and its share of the bandwidth of a plain copy."""
    speed, copy = answer.speed, answer.copy_bytes_per_s
    where = f"rank {answer.rank} of {request.world_size}: " if request.world_size > 1 else ""
    if not speed.decoded:
        return f"{where}one token only, so there is no decode speed; raise --max-new-tokens"
    bound = "" if request.options.early_exit is None else "at most "
    return (
        f"{where}{speed.tokens_per_s:.1f} tokens/s after a prompt of {speed.prompt_tokens} tokens "
        f"in {speed.prefill_s * 1e3:.0f} ms; {bound}{speed.bandwidth / 1e9:.1f} GB/s read, "
        f"{speed.bandwidth / copy:.0%} of the {copy / 1e9:.1f} GB/s that it copies "
        f"({answer.device}, threads: {request.threads}, {request.dtype}, {request.options.mode})"
    )


def _device_name(device: str) -> str:
    return cpu_name() if device == "cpu" else torch.cuda.get_device_name(device)

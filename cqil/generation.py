"""Text from a plan: one request, answered by the engine on one device or by a gang of ranks."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch
from transformers import AutoTokenizer

from cqil.engine import Engine
from cqil.engine.checkpoint import DTYPES, check_checkpoint
from cqil.engine.gang import Backend, Gang, join_world
from cqil.engine.layout import ONE_DEVICE, Layout
from cqil.engine.links import check_links
from cqil.engine.replay import Mode, check_mode
from cqil.engine.speed import Speed, copy_bandwidth, timed_generation
from cqil.machine import cpu_name
from cqil.modeling.checkpoints import locate
from cqil.plan import LayerPlan


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to generate, and on what."""

    path: str
    plan: LayerPlan
    prompt: str
    max_new_tokens: int
    layout: Layout = ONE_DEVICE
    links: str = "library"
    mode: Mode = "eager"
    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    """Of each rank; None shares the cores evenly."""


@dataclass(frozen=True)
class _Answer:
    tokens: list[int]
    speed: Speed
    copy_bytes_per_s: float
    device: str


def respond(request: Request) -> tuple[str, list[str]]:
    """The text, and a line on the speed of each rank.

    Raises ValueError with one line for a request that cannot be served, before any rank starts.
    """
    request = _resolved(request)
    tokenizer = AutoTokenizer.from_pretrained(request.path)
    ids = tokenizer(request.prompt)["input_ids"]
    if not ids:
        raise ValueError("prompt: is empty; give at least one token")
    answers = _answers(request, ids)
    text = tokenizer.decode(ids + answers[0].tokens, skip_special_tokens=True)
    lines = [_say(request, rank, answer) for rank, answer in enumerate(answers)]
    if request.links == "silent" and request.layout.world > 1:
        lines.append("links: silent, so the ranks told each other nothing and the text is wrong")
    return str(text), lines


def _resolved(request: Request) -> Request:
    """With every `auto` decided, and everything checked that can be."""
    if request.dtype not in DTYPES:
        raise ValueError(f"dtype: {request.dtype!r} is unknown; use one of {', '.join(DTYPES)}")
    device = request.device
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: {device!r} is unknown; use auto, cpu or cuda")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda, but this machine has no CUDA device; use cpu")
    check_mode(request.mode, torch.device(device))
    check_links(request.links, torch.device(device))
    path = str(locate(request.path))
    if request.layout.world > 1:
        check_checkpoint(path, request.plan, request.layout)
    threads = request.threads or max(1, (os.cpu_count() or 1) // request.layout.world)
    return replace(request, device=device, path=path, threads=threads)


def _answers(request: Request, ids: list[int]) -> list[_Answer]:
    backend: Backend = "nccl" if request.device == "cuda" else "gloo"
    if request.layout.world == 1:
        return [_generate(0, request, ids)]
    if "RANK" in os.environ:  # torchrun has started the ranks
        return [_generate(join_world(backend), request, ids)]
    assert request.threads is not None
    with Gang(request.layout.world, backend=backend, threads=request.threads) as gang:
        return gang.run(_generate, request, ids)


def _generate(rank: int, request: Request, ids: list[int]) -> _Answer:
    assert request.threads is not None
    torch.set_num_threads(request.threads)
    device = request.device if request.device == "cpu" else f"cuda:{torch.cuda.current_device()}"
    engine = Engine.load(
        request.path,
        request.plan,
        dtype=DTYPES[request.dtype],
        device=device,
        layout=request.layout,
        rank=rank,
        links=request.links,
        mode=request.mode,
    )
    prompt_BT = torch.tensor([ids], device=device)
    tokens_BT, speed = timed_generation(engine, prompt_BT, None, request.max_new_tokens)
    return _Answer(tokens_BT[0].tolist(), speed, copy_bandwidth(device), _device_name(device))


def _say(request: Request, rank: int, answer: _Answer) -> str:
    """Tokens a second, bandwidth, and how near that is to what the device copies."""
    speed, roof = answer.speed, answer.copy_bytes_per_s
    where = f"rank {rank} of {request.layout.world}: " if request.layout.world > 1 else ""
    if not speed.decoded:
        return f"{where}one token only, so there is no decode speed; raise --max-new-tokens"
    return (
        f"{where}{speed.tokens_per_s:.1f} tokens/s after a prompt of {speed.prompt_tokens} tokens "
        f"in {speed.prefill_s * 1e3:.0f} ms; {speed.bandwidth / 1e9:.1f} GB/s read, "
        f"{speed.bandwidth / roof:.0%} of the {roof / 1e9:.1f} GB/s that it copies "
        f"({answer.device}, threads: {request.threads}, {request.dtype}, {request.mode})"
    )


def _device_name(device: str) -> str:
    return cpu_name() if device == "cpu" else torch.cuda.get_device_name(device)

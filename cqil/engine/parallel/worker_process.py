"""What one rank process does: it runs the functions that its pipe brings until the pipe closes.

Under torchrun the processes exist already, and `join_process_group` is all that they need.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection
from typing import Any, Literal

import torch
import torch.distributed as dist

from cqil.engine.options import ProcessGroupBackend

PEER_LOST_WORDS = ("gloo", "nccl", "connection", "timed out", "timeout")
"""Words in the errors that a rank meets because another rank is gone."""
PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: the signal that a process gets when its parent ends."""


@dataclass(frozen=True)
class WorkerReply:
    """How a function ended on one rank."""

    kind: Literal["done", "refused", "failed", "peer_lost"]
    """`refused`: it raised ValueError, since its input is wrong; `peer_lost`: it failed because
    another rank is gone; `failed`: it failed by itself."""
    value: Any
    """What the function returned, or one line that says why it failed."""


@dataclass(frozen=True)
class WorkerSettings:
    """What a rank process must know to start."""

    rank: int
    world_size: int
    port: int
    """Port of the store at which ranks meet."""
    threads: int
    log: str
    """File for standard output and error."""


def join_process_group(backend: ProcessGroupBackend, timeout_s: float = 120) -> int:
    """Joins the process group that torchrun or a `WorkerGroup` has prepared; returns this rank."""
    rank = int(os.environ["RANK"])
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    return rank


def join_as_worker(rank: int, backend: ProcessGroupBackend, timeout_s: float) -> None:
    """`join_process_group`, run once all ranks have started: no time-out counts their imports."""
    join_process_group(backend, timeout_s)


def serve(pipe: connection.Connection, settings: WorkerSettings) -> None:
    """Replies once when this rank is ready, then to each (function, arguments) from the pipe."""
    _die_with_parent()
    _log_to(settings.log)
    torch.set_num_threads(settings.threads)
    os.environ |= {
        "RANK": str(settings.rank),
        "LOCAL_RANK": str(settings.rank),
        "WORLD_SIZE": str(settings.world_size),
        "LOCAL_WORLD_SIZE": str(settings.world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(settings.port),
        # The parent holds the store, as torchrun's agent does: all ranks are clients of it.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    pipe.send(WorkerReply("done", None))
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            # A normal exit leaves the process group and would wait for the other ranks.
            os._exit(0)
        pipe.send(_call(function, settings.rank, *arguments))


def _call(function: Callable[..., Any], *arguments: Any) -> WorkerReply:
    """The reply of a function; the traceback of an error goes to the log."""
    try:
        return WorkerReply("done", function(*arguments))
    except ValueError as error:
        traceback.print_exc()
        return WorkerReply("refused", str(error))
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        peer_lost = isinstance(error, RuntimeError) and any(
            word in text.lower() for word in PEER_LOST_WORDS
        )
        return WorkerReply("peer_lost" if peer_lost else "failed", text)


def _die_with_parent() -> None:
    """On Linux a rank never outlives the process that started it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _log_to(path: str) -> None:
    """Standard output and error, those of libraries included, go to the rank's log."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)

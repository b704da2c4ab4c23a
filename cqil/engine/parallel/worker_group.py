"""A gang of ranks: processes that run the same function together and stay for the next one.

    with Gang(2) as gang:
        texts = gang.run(function, *arguments)  # function(rank, *arguments) on every rank

A rank that fails, hangs or dies ends the whole gang, with one message that names it and the last
lines of its log. Under torchrun the ranks exist already: `join_world` is all that they need.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist

GRACE_S = 2.0
"""After a first failure others may follow; the culprit is chosen among all."""
START_S = 120.0
"""How much later than the first a rank may be there: on a busy machine imports take their time."""
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""glibc then gives large blocks back at once, so that packing weights leaves no holes behind."""
LOG_LINES = 12
CONTACT = ("gloo", "nccl", "connection", "timed out", "timeout")
"""Words of errors that a rank meets because another one is gone."""
ProcessGroupBackend = Literal["gloo", "nccl"]


class RankError(RuntimeError):
    """A rank failed, hung or died; the message names it and ends with its log."""


@dataclass(frozen=True)
class _Reply:
    kind: Literal["done", "refused", "failed", "lost"]
    value: Any


@dataclass(frozen=True)
class _Settings:
    rank: int
    world_size: int
    port: int
    threads: int
    log: str


class WorkerGroup:
    """`world` processes that are joined into one process group until the `with` block ends."""

    def __init__(
        self,
        world: int,
        *,
        backend: ProcessGroupBackend = "gloo",
        threads: int = 1,
        timeout_s: float = 120,
    ) -> None:
        """`patience_s`: how long a rank waits for another, and the gang for its last answer.

        Raises ValueError where NCCL has fewer devices than ranks.
        """
        if backend == "nccl" and torch.cuda.device_count() < world:
            have = torch.cuda.device_count()
            raise ValueError(f"ranks: {world}, but this machine has {have} CUDA devices; use fewer")
        self.world_size, self.backend, self.threads = world, backend, threads
        self.timeout_s = timeout_s
        self._pipes: list[connection.Connection] = []
        self._ranks: list[Any] = []
        self._store: dist.TCPStore | None = None

    def __enter__(self) -> WorkerGroup:
        self._folder = tempfile.TemporaryDirectory(prefix="cqil-gang-")
        # The kernel chooses the port and the store holds it: two gangs can never meet.
        self._store = dist.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False, use_libuv=True
        )
        context = get_context("spawn")
        try:
            with _environment(OMP_NUM_THREADS=str(self.threads), **MEMORY):
                for rank in range(self.world_size):
                    here, there = context.Pipe()
                    process = context.Process(
                        target=_serve, args=(there, self._settings(rank)), daemon=True
                    )
                    self._pipes.append(here)
                    self._ranks.append(process)
                    process.start()
                    there.close()
            self._collect(max(START_S, self.timeout_s))
        except BaseException:
            self._end()
            raise
        self.run(_join, self.backend, self.timeout_s)
        return self

    def _settings(self, rank: int) -> _Settings:
        assert self._store is not None
        return _Settings(
            rank=rank,
            world_size=self.world_size,
            port=self._store.port,
            threads=self.threads,
            log=str(Path(self._folder.name) / f"rank{rank}.log"),
        )

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What `function(rank, *arguments)` returns on each rank, in their order.

        It must be importable. Raises ValueError where the ranks refuse their input with one, and
        RankError where one fails; the gang has then ended.
        """
        if not self._ranks:
            raise RuntimeError("gang: it has ended, or was not entered; start one using `with`")
        try:
            for rank, pipe in enumerate(self._pipes):
                try:
                    pipe.send((function, arguments))
                except OSError:
                    raise self._blame({}, gone=[rank]) from None
            # A rank that waits for another gives up first, and so is not the one that is blamed.
            return self._collect(self.timeout_s + GRACE_S)
        except BaseException:
            self._end()
            raise

    def _collect(self, timeout_s: float) -> list[Any]:
        """One answer of each rank, or the reason why there is none."""
        answers: dict[int, _Reply] = {}
        gone: list[int] = []
        deadline: float | None = None
        while waiting := [r for r in range(self.world_size) if r not in answers and r not in gone]:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            sources = {self._pipes[rank]: rank for rank in waiting}
            ready = connection.wait(sources, timeout=left)
            for pipe in ready:
                rank = sources[pipe]  # type: ignore[index]
                try:
                    answers[rank] = self._pipes[rank].recv()
                except (EOFError, OSError):
                    gone.append(rank)
            failing = gone or any(answer.kind != "done" for answer in answers.values())
            if failing and (left is None or left > GRACE_S):
                deadline = time.monotonic() + GRACE_S
            elif deadline is None and answers:
                deadline = time.monotonic() + timeout_s
        if len(answers) == self.world_size and all(a.kind == "done" for a in answers.values()):
            return [answers[rank].value for rank in range(self.world_size)]
        raise self._blame(answers, gone)

    def _blame(self, answers: dict[int, _Reply], gone: list[int]) -> Exception:
        """Refusals first, then what died or failed by itself, then what hung, then lost contact."""
        for answer in answers.values():
            if answer.kind == "refused":
                return ValueError(answer.value)
        if gone:
            return self._error(gone[0], _death(self._ranks[gone[0]]))
        silent = [rank for rank in range(self.world_size) if rank not in answers]
        for kind in ("failed", "lost"):
            found = [rank for rank in sorted(answers) if answers[rank].kind == kind]
            if found and kind == "lost" and silent:
                return self._error(silent[0], "hangs: the others wait for it in vain")
            if found:
                return self._error(found[0], f"failed: {answers[found[0]].value}")
        late_s = self.timeout_s + GRACE_S
        return self._error(silent[0], f"hangs: no answer {late_s:g} s after the others'")

    def _error(self, rank: int, what: str) -> RankError:
        log = Path(self._folder.name) / f"rank{rank}.log"
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        said = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        return RankError(f"rank {rank} of {self.world_size} {what}; its log ends with\n{said}")

    def _end(self) -> None:
        """Ends every rank: asked first where all is well, and killed in any case."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._ranks:
            if process.pid is not None:
                process.join(timeout=0.2)
                process.kill()
        for process in self._ranks:
            if process.pid is not None:
                process.join()
        self._pipes, self._ranks, self._store = [], [], None
        self._folder.cleanup()


def join_process_group(backend: ProcessGroupBackend, timeout_s: float = 120) -> int:
    """Joins the process group that torchrun or a gang has prepared; returns this rank."""
    rank = int(os.environ["RANK"])
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    return rank


def _serve(pipe: connection.Connection, settings: _Settings) -> None:
    """What a rank does until its pipe closes."""
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
        # The gang holds the store, as torchrun's agent does: all ranks are clients of it.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    pipe.send(_Reply("done", None))
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            # Leaving the group would wait for the others; all of them end here.
            os._exit(0)
        pipe.send(_reply(function, settings.rank, *arguments))


def _join(rank: int, backend: ProcessGroupBackend, timeout_s: float) -> None:
    """All are there by now, so that none waits in vain while another imports."""
    join_process_group(backend, timeout_s)


def _reply(function: Callable[..., Any], *arguments: Any) -> _Reply:
    try:
        return _Reply("done", function(*arguments))
    except ValueError as error:
        traceback.print_exc()
        return _Reply("refused", str(error))
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        lost = isinstance(error, RuntimeError) and any(w in text.lower() for w in CONTACT)
        return _Reply("lost" if lost else "failed", text)


def _die_with_parent() -> None:
    """On Linux a rank never outlives the process that started it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _log_to(path: str) -> None:
    """Standard output and error of Python and of libraries go to the rank's log."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _death(process: Any) -> str:
    process.join(timeout=1)
    code = process.exitcode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Sets variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

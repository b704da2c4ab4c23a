"""A worker group: processes, one a rank, that run the same function together, again and again.

    with WorkerGroup(2) as workers:
        texts = workers.run(function, *arguments)  # function(rank, *arguments) on every rank

A rank that fails, hangs or dies ends the whole group. One error then names this rank and shows the
last lines of its log.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from cqil.engine.options import ProcessGroupBackend
from cqil.engine.parallel.rank_device import default_process_group
from cqil.engine.parallel.worker_process import (
    WorkerReply,
    WorkerSettings,
    join_as_worker,
    serve,
)

GRACE_S = 2.0
"""After a first failure others may follow; the rank to blame is chosen among all of them."""
START_S = 120.0
"""How much later than the first rank another may start: on a busy machine imports take long."""
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""glibc then returns large blocks at once, so that packing weights does not fragment memory."""
LOG_LINES = 12
"""Lines of a rank's log that an error shows."""


class RankError(RuntimeError):
    """A rank failed, hung or died; the message names it and ends with its log."""


class WorkerGroup:
    """`world_size` processes that form one process group until the `with` block ends."""

    def __init__(
        self,
        world_size: int,
        *,
        backend: ProcessGroupBackend | None = None,
        threads: int = 1,
        timeout_s: float = 120,
        call_s: float | None = 3600,
    ) -> None:
        """`backend`: None takes NCCL where every rank has a CUDA device, else gloo.
        `threads`: CPU threads of each rank. `timeout_s`: how long a rank waits for another, and
        the group for its last reply after the first. `call_s`: how long it waits for the first,
        since ranks may all hang, as in a captured graph; None for a user who can interrupt it.

        Raises ValueError where NCCL has fewer devices than ranks.
        """
        backend = backend or default_process_group(world_size)
        if backend == "nccl" and torch.cuda.device_count() < world_size:
            devices = torch.cuda.device_count()
            raise ValueError(
                f"ranks: {world_size}, but this machine has {devices} CUDA devices; use fewer"
            )
        self.world_size, self.backend, self.threads = world_size, backend, threads
        self.timeout_s, self.call_s = timeout_s, call_s
        self._pipes: list[connection.Connection] = []
        self._processes: list[BaseProcess] = []
        self._store: dist.TCPStore | None = None

    def __enter__(self) -> WorkerGroup:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError(
                "worker group: its ranks end with the thread that starts them; enter it on the "
                "main thread"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="cqil-workers-")
        # The kernel chooses the port and the store keeps it: two groups can never meet.
        self._store = dist.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False, use_libuv=True
        )
        try:
            with _environment(OMP_NUM_THREADS=str(self.threads), **MEMORY):
                for rank in range(self.world_size):
                    self._start(rank, self._store.port)
            self._collect(max(START_S, self.timeout_s))
        except BaseException:
            self._end()
            raise
        self.run(join_as_worker, self.backend, self.timeout_s)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What `function(rank, *arguments)` returns on each rank, in order of rank.

        The function must be importable. Raises ValueError where the function does so on a rank,
        and RankError where a rank fails; the group has then ended.
        """
        if not self._processes:
            raise RuntimeError("worker group: has ended, or was not entered; start one with `with`")
        try:
            for rank, pipe in enumerate(self._pipes):
                try:
                    pipe.send((function, arguments))
                except OSError:
                    raise self._blame({}, dead_ranks=[rank]) from None
            # A rank that waits for another gives up before this, so that it is not blamed.
            return self._collect(self.timeout_s + GRACE_S)
        except BaseException:
            self._end()
            raise

    def _start(self, rank: int, port: int) -> None:
        """Starts the process of a rank."""
        settings = WorkerSettings(rank, self.world_size, port, self.threads, str(self._log(rank)))
        context = get_context("spawn")
        parent_end, child_end = context.Pipe()
        process = context.Process(target=serve, args=(child_end, settings), daemon=True)
        self._pipes.append(parent_end)
        self._processes.append(process)
        process.start()
        child_end.close()

    def _collect(self, timeout_s: float) -> list[Any]:
        """The value of each rank's reply; `timeout_s` counts from the first reply.

        Raises the error of the rank to blame where a rank fails or does not reply.
        """
        replies: dict[int, WorkerReply] = {}
        dead_ranks: list[int] = []
        deadline = None if self.call_s is None else time.monotonic() + self.call_s
        ranks, answered = range(self.world_size), False
        while waiting := [r for r in ranks if r not in replies and r not in dead_ranks]:
            remaining_s = None if deadline is None else deadline - time.monotonic()
            if remaining_s is not None and remaining_s <= 0:
                break
            ready = connection.wait([self._pipes[rank] for rank in waiting], timeout=remaining_s)
            for rank in (rank for rank in waiting if self._pipes[rank] in ready):
                try:
                    replies[rank] = self._pipes[rank].recv()
                except (EOFError, OSError):
                    dead_ranks.append(rank)
            failing = dead_ranks or any(reply.kind != "done" for reply in replies.values())
            if failing:
                if remaining_s is None or remaining_s > GRACE_S:
                    deadline = time.monotonic() + GRACE_S
            elif replies and not answered:
                answered, deadline = True, time.monotonic() + timeout_s
        if len(replies) == len(ranks) and all(r.kind == "done" for r in replies.values()):
            return [replies[rank].value for rank in ranks]
        raise self._blame(replies, dead_ranks)

    def _blame(self, replies: dict[int, WorkerReply], dead_ranks: list[int]) -> Exception:
        """The error of the rank to blame: first one that refuses its input, then one that died,
        then one that failed by itself, then one that hangs, then one that lost another rank."""
        ranks_by_kind: dict[str, list[int]] = {}
        for rank in sorted(replies):
            ranks_by_kind.setdefault(replies[rank].kind, []).append(rank)
        if refusing := ranks_by_kind.get("refused"):
            return ValueError(replies[refusing[0]].value)
        if dead_ranks:
            return self._error(dead_ranks[0], _cause_of_death(self._processes[dead_ranks[0]]))
        if failing := ranks_by_kind.get("failed"):
            return self._error(failing[0], f"failed: {replies[failing[0]].value}")
        silent = [rank for rank in range(self.world_size) if rank not in replies]
        peer_lost = ranks_by_kind.get("peer_lost")
        if peer_lost and silent:
            return self._error(silent[0], "hangs: the other ranks wait for it")
        if peer_lost:
            return self._error(peer_lost[0], f"failed: {replies[peer_lost[0]].value}")
        if not replies:
            return self._error(silent[0], f"hangs: no rank replied in {self.call_s:g} s")
        late_s = self.timeout_s + GRACE_S
        return self._error(silent[0], f"hangs: no reply {late_s:g} s after the other ranks")

    def _error(self, rank: int, fault: str) -> RankError:
        log = self._log(rank)
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        log_end = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        return RankError(f"rank {rank} of {self.world_size} {fault}; its log ends with\n{log_end}")

    def _log(self, rank: int) -> Path:
        """The file of a rank's log."""
        return Path(self._folder.name) / f"rank{rank}.log"

    def _end(self) -> None:
        """Ends every rank: closing its pipe asks it to end, and it is killed where it does not."""
        for pipe in self._pipes:
            pipe.close()
        started = [process for process in self._processes if process.pid is not None]
        for process in started:
            process.join(timeout=0.2)
            process.kill()
        for process in started:
            process.join()
        self._pipes, self._processes, self._store = [], [], None
        self._folder.cleanup()


def _cause_of_death(process: BaseProcess) -> str:
    process.join(timeout=1)
    code = process.exitcode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Sets environment variables for the processes that are started inside."""
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

"""Worker groups: values in order; a rank that fails, hangs or dies is named; no process is left."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import rank_functions as functions
import torch

from cqil.engine.parallel.layout import Layout
from cqil.engine.parallel.worker_group import RankError, WorkerGroup

SUPPORT = Path(functions.__file__).parent
PARENT = """
import rank_functions as functions
from cqil.engine.parallel.worker_group import WorkerGroup

with WorkerGroup(2) as workers:
    print(*workers.run(functions.process_id), flush=True)
    workers.run(functions.sleep_everywhere)
"""


def children():
    """Live child processes, the helper of multiprocessing apart."""
    processes = psutil.Process().children(recursive=True)
    return {child for child in processes if "resource_tracker" not in " ".join(child.cmdline())}


@contextmanager
def group_without_remains(world_size, **options):
    """A worker group after which no process and no open port is left."""
    before = children()
    with WorkerGroup(world_size, **options) as workers:
        port = workers._store.port
        yield workers
        assert children() == before
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="has ended"):
        workers.run(functions.greet, "hello")


def test_values_come_in_order_of_rank_again_and_again(two_ranks):
    assert two_ranks.run(functions.greet, "hello") == ["hello 0", "hello 1"]
    assert two_ranks.run(functions.summed, 10) == [21, 21]
    assert two_ranks.run(functions.greet, "again") == ["again 0", "again 1"]


def test_two_groups_at_once_do_not_meet(two_ranks):
    with WorkerGroup(2) as other, ThreadPoolExecutor(2) as threads:
        sums = threads.map(lambda g, n: g.run(functions.summed, n), [two_ranks, other], [10, 100])
        assert list(sums) == [[21, 21], [201, 201]]


@pytest.mark.parametrize(
    ("deed", "others_wait", "fault"),
    [
        ("KeyError", True, "failed: KeyError: 'missing'"),
        ("SIGKILL", True, "was killed by SIGKILL"),
        ("SIGSTOP", True, "hangs: the other ranks wait for it"),
        ("sleep", False, "hangs: no reply 5 s after the other ranks"),
    ],
)
def test_culprit_is_named_with_its_log(deed, others_wait, fault, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with group_without_remains(2, timeout_s=3) as workers:
        started = time.monotonic()
        with pytest.raises(
            RankError, match=rf"\Arank 1 of 2 {re.escape(fault)}; its log"
        ) as raised:
            workers.run(functions.misbehave, deed, others_wait)
        assert time.monotonic() - started < 3 + 10
    assert f"\n  | now {deed}\n" in f"{raised.value}\n"


def test_ranks_that_all_hang_end_after_their_time():
    with group_without_remains(2) as workers:
        workers.call_s, started = 2, time.monotonic()
        with pytest.raises(
            RankError, match=r"\Arank 0 of 2 hangs: no rank replied in 2 s; its log"
        ):
            workers.run(functions.sleep_everywhere)
        assert time.monotonic() - started < 2 + 10


def test_culprit_is_named_where_a_part_of_the_group_waits():
    with (
        group_without_remains(4, timeout_s=3) as workers,
        pytest.raises(RankError, match=r"\Arank 1 of 4 hangs: the other ranks wait"),
    ):
        workers.run(functions.hang_among_two)


def test_refused_input_is_the_callers_error():
    with (
        group_without_remains(2, timeout_s=3) as workers,
        pytest.raises(ValueError, match=r"\Ainvalid literal [^\n]*'many'\Z"),
    ):
        workers.run(functions.misbehave, "ValueError", True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends ranks with their parent")
def test_ranks_die_with_their_parent(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=SUPPORT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as run:
        ranks = [psutil.Process(int(pid)) for pid in run.stdout.readline().split()]
        assert len(ranks) == 2
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (alive := [rank for rank in ranks if is_alive(rank)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for rank in alive:
        rank.kill()
    assert not alive


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(torch.cuda.device_count() >= 4, reason="this machine has four CUDA devices")
def test_more_ranks_than_devices():
    with pytest.raises(ValueError, match=r"\Aranks: 4, but this machine has \d CUDA[^\n]*\Z"):
        WorkerGroup(4, backend="nccl")


def test_layout_of_another_world(two_ranks):
    error = "layout: group_parallel_size 2 x tensor_parallel_size 2 needs 4 ranks, but 2 run"
    assert (
        two_ranks.run(functions.refusal, Layout(group_parallel_size=2, tensor_parallel_size=2))
        == [error] * 2
    )


def test_ranks_of_torchrun_generate_what_one_device_does(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    run = subprocess.run(
        [*torchrun, SUPPORT / "rank_functions.py"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    expected = functions.generated(0, Layout())
    assert sorted(run.stdout.splitlines()) == [f"rank {rank}: {expected}" for rank in (0, 1)]


def test_ranks_are_started_on_the_main_thread_alone():
    """Linux ends them with the thread that starts them."""
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(WorkerGroup(2).__enter__)
        with pytest.raises(ValueError, match=r"\Aworker group: [^\n]*main thread\Z"):
            starting.result()

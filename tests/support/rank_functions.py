"""What ranks run in tests of worker groups; a function must be importable to reach them.

Engines are imported where they are needed: most groups need none, and start three times as fast.
As a script under torchrun it prints what each rank generates.
"""

import os
import signal
import time
from collections import Counter

import torch
import torch.distributed as dist

from cqil import uniform_plan
from cqil.engine.parallel.communicator import Communicator
from cqil.engine.parallel.layout import Layout
from cqil.engine.parallel.worker_process import join_process_group

DEEDS = {
    "KeyError": lambda: time.sleep(2) or {}["missing"],
    "ValueError": lambda: int("many"),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSTOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "sleep": lambda: time.sleep(1000),
}


def greet(rank, word):
    return f"{word} {rank}"


def process_id(rank):
    return os.getpid()


def sleep(rank):
    time.sleep(1000)


def summed(rank, number):
    """The sum over all ranks of rank + number."""
    total = torch.tensor(rank + number)
    dist.all_reduce(total)
    return int(total)


def misbehave(rank, deed, others_wait):
    """Rank 1 prints the name of a deed and does it."""
    if rank == 1:
        print(f"now {deed}")
        DEEDS[deed]()
    elif others_wait:
        summed(rank, 0)


def sleep_everywhere(rank):
    """All ranks hang."""
    time.sleep(1000)


def hang_among_two(rank):
    """Rank 1 of four sleeps, rank 0 waits for it in a group of the two, the others return."""
    communicator = Communicator(Layout(group_parallel_size=2, tensor_parallel_size=2))
    if rank == 1:
        time.sleep(1000)
    if rank == 0:
        communicator.all_reduce(torch.ones(1), (0, 1))


def refusal(rank, layout):
    """Why there is no engine for the layout; raising it would end the group."""
    try:
        generated(rank, layout)
    except ValueError as error:
        return str(error)
    return None


def generated(rank, layout):
    """Greedy tokens under a CQIL plan."""
    from tiny_models import tiny_dense, tokens_of

    from cqil.engine import Engine, EngineOptions

    plan = uniform_plan(4, 0, 3, 2, bypass=1)
    engine = Engine.from_dense(tiny_dense(4), plan, rank=rank, options=EngineOptions(layout=layout))
    return engine.generate(tokens_of(2, 5), max_new_tokens=6).tolist()


def tensors_read(rank, folder, plan, layout):
    """Name -> bytes that the rank's engine reads of it, and the bytes that it holds."""
    from cqil.checkpoint import open_checkpoint
    from cqil.engine import Engine, EngineOptions

    checkpoint = open_checkpoint(folder)
    read, bytes_of = checkpoint.reader(torch.float32), Counter()

    def counted(name, *index):
        tensor = read(name, *index)
        if tensor is not None:
            bytes_of[name] += tensor.nbytes
        return tensor

    engine = Engine(
        checkpoint.config, plan, counted, rank=rank, options=EngineOptions(layout=layout)
    )
    return bytes_of, engine.weight_bytes


def scheduled_logits(rank, case, schedule, layout):
    """Logits [1 + steps, B, V] of the prompt's end and of each token fed; None without LM head."""
    from equality import STEPS
    from full_precision import full_float64
    from tiny_models import left_padded, tiny_dense, tokens_of

    from cqil.engine import Engine, EngineOptions

    batch, dense = len(case.padding), tiny_dense(case.plan.num_layers, case.shape, case.seed)
    ids_BT, mask_BT = left_padded(tokens_of(batch, case.prompt_length, case.seed), case.padding)
    with full_float64():
        engine = Engine.from_dense(dense, schedule, rank=rank, options=EngineOptions(layout=layout))
        logits = [engine.prefill(ids_BT, mask_BT, max_tokens=case.prompt_length + STEPS)]
        for token_B in tokens_of(batch, STEPS, case.seed + 1).T:
            logits.append(engine.decode_step(token_B))
    return None if logits[0] is None else torch.stack(logits).numpy()


if __name__ == "__main__":
    this_rank = join_process_group("gloo")
    tokens = generated(this_rank, Layout(group_parallel_size=2))
    print(f"rank {this_rank}: {tokens}\n", end="", flush=True)

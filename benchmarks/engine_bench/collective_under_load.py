"""The cost of a collective while the ranks compute, as they do in a decode step.

Each rank runs all its stages that end in a sum over ranks back to back, with their messages and
without, in turn. The difference for each message is its cost, the wait for a late rank included.
Shape suffixes: B sequences, T tokens, H hidden size, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist

from benchmarks.latency.rank_engines import rank_engine, slowest_rank
from cqil.engine import Engine
from cqil.engine.layers.ladder_runner import stage_runners
from cqil.engine.layers.stage_runner import StageRunner
from cqil.engine.parallel.communication_ledger import CommunicationLedger
from cqil.engine.parallel.communicator import COMMUNICATORS, Communicator
from cqil.engine.parallel.worker_group import WorkerGroup
from cqil.engine.step_clock import synchronized_time

PASSES = 3
"""Passes over these stages in one sample."""


class TimesPerMessage(NamedTuple):
    """Seconds of a sample divided by its number of messages, by round."""

    with_messages: list[float]
    without_messages: list[float]


def collective_cost_under_load(
    workers: WorkerGroup, key: str, prompt_BT: torch.Tensor, rounds: int
) -> list[float]:
    """Seconds of one collective by round, between the ranks of the engine under `key`."""
    by_rank: list[TimesPerMessage] = workers.run(_time_messages, key, prompt_BT, rounds)
    slowest_with = slowest_rank([times.with_messages for times in by_rank])
    slowest_without = slowest_rank([times.without_messages for times in by_rank])
    return [with_ - without for with_, without in zip(slowest_with, slowest_without, strict=True)]


@torch.inference_mode()
def _time_messages(rank: int, key: str, prompt_BT: torch.Tensor, rounds: int) -> TimesPerMessage:
    """Samples of this rank, with and without messages in turn."""
    engine = rank_engine(key)
    prompt_BT = prompt_BT.to(engine.device)
    engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + 1)
    decode_runners = stage_runners(engine.program.decode[0])
    runners = [runner for runner in decode_runners if runner.stage.reduce_output]
    communicator, no_communicator = engine.communicator, COMMUNICATORS["none"](engine.layout)
    communicator.ledger = CommunicationLedger()
    with_messages: list[float] = []
    without_messages: list[float] = []
    try:
        for _ in range(rounds + 1):
            _use(communicator, runners)
            with_messages.append(_time_passes(engine, runners, prompt_BT[:, -1:]))
            _use(no_communicator, runners)
            without_messages.append(_time_passes(engine, runners, prompt_BT[:, -1:]))
    finally:
        _use(communicator, runners)
    messages = sum(communicator.ledger.entries.values()) / (rounds + 1)
    # The first round is warm-up.
    return TimesPerMessage(
        [seconds / messages for seconds in with_messages[1:]],
        [seconds / messages for seconds in without_messages[1:]],
    )


def _use(communicator: Communicator, runners: Sequence[StageRunner]) -> None:
    for runner in runners:
        runner.communicator = communicator


def _time_passes(engine: Engine, runners: Sequence[StageRunner], token_B1: torch.Tensor) -> float:
    """Seconds of all passes over the stages; ranks start together."""
    assert engine.state is not None
    dist.barrier()
    context = engine.state.context(1)
    x_B1H, cos_B1D, sin_B1D = engine.forward.embed(token_B1, context)
    start = synchronized_time(engine.device)
    for _ in range(PASSES):
        for runner in runners:
            runner(x_B1H, cos_B1D, sin_B1D, context)
    return synchronized_time(engine.device) - start

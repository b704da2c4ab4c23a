"""What a collective costs while the ranks compute, as they do in a decode step.

A rank runs its stages that end in a sum over ranks back to back, once with their messages and once
without, in turn. The difference a message is its cost, waiting for a rank that comes late included.
"""

from __future__ import annotations

import torch
import torch.distributed as dist

from benchmarks.arms import engine_of
from cqil.engine import Engine
from cqil.engine.attention import Growing
from cqil.engine.gang import Gang
from cqil.engine.ladder import opened
from cqil.engine.ledger import Ledger
from cqil.engine.links import LINKS
from cqil.engine.speed import clock

PASSES = 3
"""Over all those stages, for one sample."""


def cost_under_load(gang: Gang, key: str, prompt_BT: torch.Tensor, rounds: int) -> list[float]:
    """Seconds of one collective between the ranks that hold the engine `key`; one a round."""
    of_ranks = gang.run(_cost, key, prompt_BT, rounds)
    slowest = [
        [max(pair) for pair in zip(*kind, strict=True)] for kind in zip(*of_ranks, strict=True)
    ]
    return [linked - silent for linked, silent in zip(*slowest, strict=True)]


@torch.inference_mode()
def _cost(
    rank: int, key: str, prompt_BT: torch.Tensor, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds with messages and without, each divided by the number of messages; by round."""
    engine = engine_of(key)
    prompt_BT = prompt_BT.to(engine.device)
    engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + 1)
    runners = [r for r in opened(engine.program.decode[0]) if r.task.total]
    times: dict[str, list[float]] = {"linked": [], "silent": []}
    own, silent = engine.links, LINKS["silent"](engine.layout)
    own.ledger = Ledger()
    try:
        for _ in range(rounds + 1):
            for kind, links in (("linked", own), ("silent", silent)):
                for runner in runners:
                    runner.links = links
                dist.barrier()
                times[kind].append(_passes(engine, runners, len(prompt_BT)))
    finally:
        for runner in runners:
            runner.links = own
    messages = sum(own.ledger.entries.values()) / (rounds + 1)
    # The first round warms up.
    return tuple([seconds / messages for seconds in times[kind][1:]] for kind in times)  # type: ignore[return-value]


def _passes(engine: Engine, runners: list, batch: int) -> float:
    """Seconds of all passes."""
    assert engine.cache is not None
    x_B1H = engine.ends.gain_H.new_ones(batch, 1, engine.config.hidden_size)
    span = Growing(engine.cache, engine.pads_B, engine.padded, 1)
    cos_B1D, sin_B1D = engine.rotary(x_B1H, span.positions_BT)
    began = clock(x_B1H.device)
    for _ in range(PASSES):
        for runner in runners:
            runner(x_B1H, cos_B1D, sin_B1D, span)
    return clock(x_B1H.device) - began

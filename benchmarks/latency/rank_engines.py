"""Functions that run on each rank: load an engine, time it, count its bytes and its messages.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.latency.engine_spec import EngineSpec
from benchmarks.latency.shared_weights import SharedWeights, share_weights
from cqil.engine import Engine
from cqil.engine.parallel.communication_ledger import CommunicationLedger
from cqil.engine.step_clock import step_times


@dataclass(frozen=True)
class RankUsage:
    """The memory of one rank in bytes, and the messages that it takes part in."""

    weight_bytes: int
    cache_bytes: int
    step_bytes: int
    """Bytes that one decode step reads."""
    prefill: CommunicationLedger
    decode: CommunicationLedger


_ENGINES: dict[str, Engine] = {}
"""Key -> engine of this rank; engines stay until the process ends."""
_SHARED_WEIGHTS: dict[tuple[str, str, str], SharedWeights] = {}
"""(checkpoint, dtype, device) -> weights of the engines of this rank."""


def rank_engine(key: str) -> Engine:
    """The engine that `load_rank` keeps on this rank under `key`."""
    return _ENGINES[key]


def load_rank(rank: int, key: str, spec: EngineSpec) -> None:
    """Loads the engine of this rank and keeps it under `key`."""
    shared = _SHARED_WEIGHTS.setdefault((spec.path, spec.dtype, spec.device), {})
    _ENGINES[key] = share_weights(spec.load(rank), spec.edits, shared)


def time_rank(rank: int, key: str, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
    """Seconds of the prefill and of each decode step on this rank."""
    return step_times(_ENGINES[key], prompt_BT, new_tokens)


def rank_weight_bytes(rank: int, key: str) -> int:
    """Bytes of weights that this rank holds."""
    return _ENGINES[key].weight_bytes


def slowest_rank(times_by_rank: Sequence[Sequence[float]]) -> list[float]:
    """The time of the slowest rank, step by step or round by round."""
    return [max(times) for times in zip(*times_by_rank, strict=True)]


def count_rank(rank: int, key: str, prompt_BT: torch.Tensor) -> RankUsage:
    """Counts one prefill and one decode step on this rank."""
    engine = _ENGINES[key]
    prompt_BT = prompt_BT.to(engine.device)
    engine.communicator.ledger = prefill = CommunicationLedger()
    engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + 1)
    engine.communicator.ledger = decode = CommunicationLedger()
    engine.decode_step(prompt_BT[:, -1])
    return RankUsage(engine.weight_bytes, engine.cache.nbytes, engine.step_bytes, prefill, decode)

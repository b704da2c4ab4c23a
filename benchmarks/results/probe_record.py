"""The record of `make probe`: what one machine takes for messages and compute. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from benchmarks.results.read_record import read_record
from benchmarks.results.schema_parts import Provenance, Schema


class MessageTimes(Schema):
    """One kind of message of one size between ranks."""

    kind: Literal["all_reduce", "broadcast", "send"]
    ranks: int = Field(description="Ranks that take part")
    mode: Literal["eager", "cuda_graph", "under_load"] = Field(
        description="Back to back, replayed in a CUDA graph, or between matrix products"
    )
    size: int = Field(description="Bytes")
    seconds: list[float] = Field(
        min_length=1,
        description="Of one message on the slowest rank, by round. Under load it is the time that "
        "the message adds, which noise can make negative",
    )


class ThroughputTimes(Schema):
    """A large copy, read or matrix product, by several ranks at the same time."""

    what: Literal["copy", "read", "matmul"]
    ranks: int = Field(description="Number of ranks; each has threads / ranks threads")
    active_ranks: int = Field(description="Ranks that work at the same time")
    amount: float = Field(description="Bytes or floating-point operations of one rank")
    seconds: list[float] = Field(min_length=1, description="On the slowest rank, by round")


class DecodeStepTimes(Schema):
    """Decode steps of the engine over random weights, by several ranks at the same time."""

    mode: Literal["eager", "cuda_graph"]
    ranks: int
    active_ranks: int
    stages: int = Field(description="Stages of the plan; all plans hold the same layers")
    bytes: int = Field(description="Weights and cache that a rank reads in a step")
    seconds: list[float] = Field(min_length=1, description="Of one step on the slowest rank")


class LaunchTimes(Schema):
    """A small operation, back to back."""

    mode: Literal["eager", "cuda_graph"]
    seconds: list[float] = Field(min_length=1, description="Of one operation, by round")


class MachineProbe(Schema):
    """Throughputs, decode steps, launches and messages of one machine."""

    schema_version: Literal[2] = 2
    kind: Literal["probe"] = "probe"
    provenance: Provenance
    shape: dict[str, Any] = Field(description="Sizes of the model that decode steps are timed with")
    messages: list[MessageTimes] = Field(description="Empty on one device")
    throughputs: list[ThroughputTimes]
    steps: list[DecodeStepTimes]
    launches: list[LaunchTimes]


def read_probe(path: Path) -> MachineProbe:
    """Raises ValueError with one line where the file holds no probe."""
    return read_record(path, MachineProbe, "probe")

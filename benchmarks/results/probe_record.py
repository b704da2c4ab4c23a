"""What `make probe` writes: the constants of one machine. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from benchmarks.results.files import read_json
from benchmarks.results.schema import Provenance, Schema


class MessageTimes(Schema):
    """One kind of message of one size between ranks."""

    kind: Literal["all_reduce", "broadcast", "send"]
    ranks: int = Field(description="How many take part")
    mode: Literal["eager", "cuda_graph", "under_load"] = Field(
        description="Back to back, replayed in a CUDA graph, or between products, as in a model"
    )
    size: int = Field(description="Bytes")
    seconds: list[float] = Field(
        min_length=1,
        description="Of one message, by round; slowest rank. What a message adds to its load can "
        "be negative where the machine is disturbed",
    )


class ThroughputTimes(Schema):
    """A large copy, read or matrix product, by several ranks at the same time."""

    what: Literal["copy", "read", "matmul"]
    ranks: int = Field(description="Ranks there are; each has threads / ranks of the threads")
    active_ranks: int = Field(description="How many of them work at the same time")
    amount: float = Field(description="Bytes, or floating-point operations, of one rank")
    seconds: list[float] = Field(min_length=1, description="By round; slowest rank")


class DecodeStepTimes(Schema):
    """Decode steps of the engine over random weights, by several ranks at the same time."""

    mode: Literal["eager", "cuda_graph"]
    ranks: int
    active_ranks: int
    stages: int = Field(description="The same layers in fewer stages read the same bytes")
    bytes: int = Field(description="Weights and cache that a step reads, a rank")
    seconds: list[float] = Field(min_length=1, description="Of one step, by round; slowest rank")


class LaunchTimes(Schema):
    """A small operation, back to back."""

    mode: Literal["eager", "cuda_graph"]
    seconds: list[float] = Field(min_length=1, description="Of one operation, by round")


class MachineProbe(Schema):
    """What this machine does a second, and what messages between its ranks cost."""

    schema_version: Literal[2] = 2
    kind: Literal["probe"] = "probe"
    provenance: Provenance
    shape: dict[str, Any] = Field(description="Sizes of the model whose decode steps were timed")
    messages: list[MessageTimes] = Field(description="Empty where there is one device")
    throughputs: list[ThroughputTimes]
    steps: list[DecodeStepTimes]
    launches: list[LaunchTimes]


def read_probe(path: Path) -> MachineProbe:
    """Raises ValueError with one line where the file holds no probe."""
    try:
        return MachineProbe.model_validate(read_json(path))
    except (OSError, ValueError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        reason = str(detail).splitlines()[0]
        raise ValueError(f"{path}: holds no probe ({reason}); run make probe again") from None

"""The record of `make bench`: systems timed side by side on one machine. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from benchmarks.results.read_record import read_record
from benchmarks.results.schema_parts import MachineState, Model, Provenance, Schema

NO_COMMUNICATION = "-no-communication"
"""Ends the name of a system that computes like another one, but sends no messages."""
CountedMessage = tuple[str, int, int, int]
"""(kind, ranks that take part, bytes, count)."""


class BenchRank(Schema):
    """What one rank of a system holds and sends."""

    weight_bytes: int
    cache_bytes: int
    step_bytes: int = Field(description="Weights and cache that a decode step reads")
    prefill_messages: list[CountedMessage] = Field(
        description="Kind, ranks that take part, bytes and count; of one prefill"
    )
    decode_messages: list[CountedMessage] = Field(description="Of one decoded token")
    peak_bytes: int | None = Field(
        description="Peak of loading and generating; null if not measured"
    )


class BenchSystem(Schema):
    """One way to run the model: a plan, a layout, a communicator."""

    name: str
    runs: str = Field(description="What runs the model: engine, or transformers")
    plan: dict[str, Any]
    slug: str
    depth: float
    layout: dict[str, Any] = Field(
        description="group_parallel_size, tensor_parallel_size and ungrouped_layers"
    )
    communicator: str
    mode: str
    ranks: list[BenchRank] = Field(description="Empty on one device")
    samples: list[list[float]] = Field(
        description="Seconds of each step by round; the first of a round is the prefill"
    )

    @property
    def decode_messages(self) -> list[CountedMessage]:
        """What the first rank sends for one decoded token; nothing on one device."""
        return self.ranks[0].decode_messages if self.ranks else []


class EngineBench(Schema):
    """Systems that one session timed in interleaved rounds, on one machine."""

    schema_version: Literal[2] = 2
    kind: Literal["bench"] = "bench"
    model: Model
    workload: dict[str, Any]
    provenance: Provenance
    machine_state: MachineState | None = None
    systems: list[BenchSystem]
    message_seconds: dict[str, list[float]] = Field(
        description="System -> seconds of one of its messages under its load, by round"
    )


def read_bench(path: Path) -> EngineBench:
    """Raises ValueError with one line where the file holds no bench."""
    return read_record(path, EngineBench, "bench")

"""The one schema of result files: what a measurement was, on what, and every raw sample.

Writers, the workflow, the reports and the tests all use these classes. Imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from benchmarks.files import write_atomically


class Schema(BaseModel):
    """Unknown keys are errors: a misspelt field must not vanish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Schema):
    name: str = Field(description="Embedded name, hub id or directory, as configured")
    sha256: str = Field(description="Digest over the weight files")
    num_layers: int
    note: str = Field(description="What a reader must know of these weights; empty if nothing")


class Hardware(Schema):
    cpu: str
    cores: int = Field(description="Logical cores that the process may use")
    memory_gib: float
    accelerators: list[str] = Field(description="Names as the driver gives them; empty on CPU")
    affinity: list[int] | None = Field(
        default=None, description="Logical cores that the process may use; null where not known"
    )
    smt: bool | None = Field(default=None, description="Whether cores run several threads at once")
    governor: str | None = Field(default=None, description="How the first core sets its clock")


class Provenance(Schema):
    created: str = Field(description="UTC, ISO 8601")
    command: str
    commit: str | None
    dirty: bool | None
    lock_sha256: str | None
    packages: dict[str, str]
    python: str
    system: str
    hardware: Hardware
    threads: int = Field(description="Threads that PyTorch used")
    device: str
    dtype: str
    seed: int


class WindowSample(Schema):
    text: str = Field(description="Name of the text collection")
    document: str = Field(description="Start of the document's SHA-256")
    tokens: int = Field(description="Scored tokens")
    bytes: int = Field(description="UTF-8 length of the scored tokens")
    nll: float = Field(description="Sum of negative log-likelihoods, nats")
    layers: float | None = Field(
        default=None, description="Mean layers of a decoded token; null where all ran the plan"
    )


class ChoiceSample(Schema):
    task: str
    document: str = Field(description="Start of lm-eval's document hash")
    acc: float
    acc_norm: float | None = Field(description="Length-normalised; none where the task has none")
    loglikelihoods: list[float] = Field(description="One per choice, nats")
    one_token: bool = Field(description="Every choice is one token long, so no token is decoded")


class BleuCounts(Schema):
    """What BLEU sums over documents (sacreBLEU)."""

    counts: list[int] = Field(description="N-grams that the reference has too, for N of 1 to 4")
    totals: list[int] = Field(description="N-grams of the text")
    length: int = Field(description="Words of the text")
    reference_length: int


class GenerationSample(Schema):
    document: str = Field(description="Start of the source's SHA-256")
    text: str = Field(description="What the variant wrote, up to the stop string")
    reference: str
    tokens: list[int] = Field(description="Token ids of the answer, the ending one included")
    bleu: BleuCounts | None = Field(default=None, description="None where the task has no BLEU")
    chrf: float | None = Field(default=None, description="Of this document, 0 to 100")
    rouge1: float | None = Field(default=None, description="F-measure, 0 to 100")
    rouge2: float | None = None
    rougeL: float | None = None


class StepSample(Schema):
    round: int
    phase: Literal["prefill", "decode"]
    step: int = Field(description="0 for prefill; decoded tokens count from 1")
    seconds: float


Stopped = Literal["precision", "rounds", "budget"]


class GpuMoment(Schema):
    """One GPU at one moment; null is what its driver does not tell."""

    sm_mhz: float | None
    memory_mhz: float | None
    watts: float | None
    celsius: float | None
    busy_percent: float | None


class Moment(Schema):
    """The machine at one moment; null is what it does not tell."""

    load_average: list[float] | None = Field(description="Over 1, 5 and 15 minutes")
    cpu_mhz: float | None = Field(description="Mean of all cores")
    cpu_celsius: float | None = Field(description="Of the hottest sensor of the CPU")
    gpus: list[GpuMoment]


class Conditions(Schema):
    """What else went on while rounds ran."""

    before: Moment
    after: Moment
    others_before: float | None = Field(
        description="Cores' worth of CPU that other processes took just before; null if not known"
    )
    others_during: float | None = Field(description="The same, on average over the rounds")
    involuntary_switches: int | None = Field(
        description="How often the main threads of this process and its ranks lost their core"
    )
    warnings: list[str] = Field(description="Why these times may be off; empty if nothing is known")


class _Result(Schema):
    schema_version: Literal[1] = 1
    status: Literal["ok", "skipped", "failed"]
    reason: str | None = Field(default=None, description="Why there is no number")
    projected: Literal[False] = Field(default=False, description="True only for a model's output")
    variant: str
    method: str
    plan: dict[str, Any]
    slug: str
    exits: dict[str, Any] | None = Field(
        default=None, description="When decoded tokens leave the plan early; null where none does"
    )
    model: Model
    workload: dict[str, Any]
    provenance: Provenance

    @model_validator(mode="after")
    def _samples_match_status(self):
        samples = self.samples  # type: ignore[attr-defined]
        if self.status == "ok" and not samples:
            raise ValueError("samples: empty, but status is ok")
        if self.status != "ok" and (samples or not self.reason):
            raise ValueError(f"reason: a {self.status} result needs one, and no samples")
        return self


class PerplexityResult(_Result):
    kind: Literal["perplexity"] = "perplexity"
    samples: list[WindowSample]


class ChoicesResult(_Result):
    kind: Literal["choices"] = "choices"
    task_versions: dict[str, str]
    samples: list[ChoiceSample]


class GenerationResult(_Result):
    kind: Literal["generation"] = "generation"
    task: str
    task_version: int
    schedule: dict[str, Any] | None = Field(
        default=None, description="Plans that followed one another; null where `plan` served all"
    )
    samples: list[GenerationSample]


class LatencyResult(_Result):
    kind: Literal["latency"] = "latency"
    path: str = Field(
        description="What ran the variant: engine, ranks-N or transformers, and its mode"
    )
    layout: dict[str, Any] = Field(
        description="Lanes, shards, and where layers outside of groups ran; empty where none ran"
    )
    schedule: dict[str, Any] | None = Field(
        default=None, description="Plans that followed one another; null where `plan` served all"
    )
    layers: float | None = Field(
        default=None,
        description="Layers that a decode step ran, its deepest sequence's, mean over the timed "
        "steps; null where every step ran the plan",
    )
    session: str = Field(description="Results whose rounds were interleaved share it")
    stopped: Stopped | None = Field(default=None, description="What ended the rounds")
    conditions: Conditions | None = Field(default=None, description="Of all that share the rounds")
    samples: list[StepSample]


class RankRecord(Schema):
    """What one rank of an arm holds and sends."""

    weight_bytes: int
    cache_bytes: int
    step_bytes: int = Field(description="Weights and cache that a decode step reads")
    prefill_messages: list[tuple[str, int, int, int]] = Field(
        description="Kind, ranks that it joins, bytes, how often; of one prefill"
    )
    decode_messages: list[tuple[str, int, int, int]] = Field(description="Of one decoded token")
    peak_bytes: int | None = Field(description="Most held while loading and generating, if asked")


class ArmRecord(Schema):
    name: str
    runs: str = Field(description="What runs the model")
    plan: dict[str, Any]
    slug: str
    depth: float
    layout: dict[str, Any] = Field(description="Lanes, shards, and where other layers run")
    links: str
    mode: str
    ranks: list[RankRecord] = Field(description="Empty on one device")
    samples: list[StepSample]


class Bench(Schema):
    """Arms that were interleaved in one session, on one machine."""

    schema_version: Literal[1] = 1
    kind: Literal["bench"] = "bench"
    model: Model
    workload: dict[str, Any]
    provenance: Provenance
    conditions: Conditions | None = None
    arms: list[ArmRecord]
    message_seconds: dict[str, list[float]] = Field(
        description="Arm -> cost of one of its messages under its own load, by round"
    )


class MessageRecord(Schema):
    """One kind of message of one size between ranks."""

    kind: Literal["all_reduce", "broadcast", "send"]
    ranks: int = Field(description="How many it joins")
    mode: Literal["eager", "graph", "loaded"] = Field(
        description="Back to back, replayed in a CUDA graph, or between products, as in a model"
    )
    size: int = Field(description="Bytes")
    seconds: list[float] = Field(
        min_length=1,
        description="Of one message, by round; slowest rank. What a message adds to its load can "
        "be negative where the machine is disturbed",
    )


class RateRecord(Schema):
    """A large copy, read or product, by several ranks at the same time."""

    what: Literal["copy", "read", "multiply"]
    ranks: int = Field(description="Ranks there are; each has threads / ranks of the threads")
    readers: int = Field(description="How many of them work at the same time")
    amount: float = Field(description="Bytes, or floating-point operations, of one rank")
    seconds: list[float] = Field(min_length=1, description="By round; slowest rank")


class StepsRecord(Schema):
    """Decode steps of the engine over random weights, by several ranks at the same time."""

    mode: Literal["eager", "graph"]
    ranks: int
    readers: int
    stages: int = Field(description="The same layers in fewer stages read the same bytes")
    bytes: int = Field(description="Weights and cache that a step reads, a rank")
    seconds: list[float] = Field(min_length=1, description="Of one step, by round; slowest rank")


class LaunchRecord(Schema):
    """A small operation, back to back."""

    mode: Literal["eager", "graph"]
    seconds: list[float] = Field(min_length=1, description="Of one operation, by round")


class Probe(Schema):
    """What this machine does a second, and what messages between its ranks cost."""

    schema_version: Literal[1] = 1
    kind: Literal["probe"] = "probe"
    provenance: Provenance
    shape: dict[str, Any] = Field(description="Sizes of the model whose decode steps were timed")
    messages: list[MessageRecord] = Field(description="Empty where there is one device")
    rates: list[RateRecord]
    steps: list[StepsRecord]
    launches: list[LaunchRecord]


Result = PerplexityResult | ChoicesResult | GenerationResult | LatencyResult
_ADAPTER: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="kind")])


def read_result(path: Path) -> Result:
    """Raises pydantic's ValidationError where the file does not follow the schema."""
    return _ADAPTER.validate_json(path.read_bytes())


def write_result(path: Path, result: Result) -> None:
    """Writes aside, then renames."""
    write_atomically(path, json.dumps(result.model_dump(), indent=1) + "\n")

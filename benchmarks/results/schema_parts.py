"""Parts that record files share: model, provenance, machine state, backends, targets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 2
"""Version of the record files that this code reads and writes."""


class Schema(BaseModel):
    """Unknown keys are errors: a misspelt field must not vanish. So are NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(Schema):
    """A checkpoint."""

    name: str = Field(description="Embedded name, hub id or directory, as configured")
    sha256: str = Field(description="Digest over the weight files")
    num_layers: int
    note: str = Field(description="What a reader must know about these weights; may be empty")

    @classmethod
    def of_manifest(cls, manifest: dict[str, Any]) -> Model:
        """The model of a manifest, which says more: where the checkpoint lies."""
        return cls(**{key: manifest[key] for key in cls.model_fields})


class Hardware(Schema):
    """The machine; null is what its system does not report."""

    cpu: str
    cores: int = Field(description="Logical cores that the process may use")
    memory_gib: float
    accelerators: list[str] = Field(description="Names as the driver gives them; empty on CPU")
    affinity: list[int] | None = Field(default=None, description="Numbers of these logical cores")
    smt: bool | None = Field(default=None, description="Cores run several threads at once")
    governor: str | None = Field(default=None, description="Frequency governor of the first core")


class Provenance(Schema):
    """Code, packages, machine and command of a measurement; null is what is not known."""

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


StopReason = Literal["precision", "rounds", "budget"]


class GpuSnapshot(Schema):
    """One GPU at one moment; null is what its driver does not report."""

    sm_mhz: float | None
    memory_mhz: float | None
    watts: float | None
    celsius: float | None
    busy_percent: float | None


class MachineSnapshot(Schema):
    """The machine at one moment; null is what its system does not report."""

    load_average: list[float] | None = Field(description="Over 1, 5 and 15 minutes")
    cpu_mhz: float | None = Field(description="Mean of all cores")
    cpu_celsius: float | None = Field(description="Of the hottest sensor of the CPU")
    gpus: list[GpuSnapshot]


class MachineState(Schema):
    """The state of the machine around the timed rounds."""

    before: MachineSnapshot
    after: MachineSnapshot
    other_cores_before: float | None = Field(
        description="CPU cores that other processes used just before the rounds; null if not known"
    )
    other_cores_during: float | None = Field(
        description="CPU cores that other processes used during rounds"
    )
    involuntary_switches: int | None = Field(
        description="How often the main threads of this process and its ranks were preempted"
    )
    warnings: list[str] = Field(description="Why these times may be off; may be empty")


class BackendRecord(Schema):
    """The backend that ran the variants of a latency measurement."""

    name: str = Field(description="Folder of its results")
    kind: str = Field(description="Name in `latency.backends`")
    label: str = Field(description="For readers, in a few words")
    ranks: int
    mode: str = Field(description="How decode steps ran: eager, cuda_graph or compiled")
    reference: str = Field(description="Backend whose dense time its times are divided by")
    dense_only: bool = Field(description="Whether it runs the dense model only")


class Target(Schema):
    """One result file that a run makes."""

    kind: str = Field(description="Kind of result")
    group: str = Field(description="Folder of results that are compared with each other")
    variant: str

    @property
    def path(self) -> str:
        """The file, relative to the folder of the run."""
        return f"{self.group}/{self.variant}.json"


class RunRecord(Schema):
    """What a run has to measure; reports read it beside the results."""

    schema_version: Literal[2] = 2
    config: dict[str, Any]
    backends: list[BackendRecord] = Field(description="In the order of the configuration")
    workloads: list[str] = Field(description="Folders of latency workloads, the smallest first")
    targets: list[Target]

"""Parts that result files share: model, provenance, the state of the machine, backends, targets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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


StopReason = Literal["precision", "rounds", "budget"]


class GpuSnapshot(Schema):
    """One GPU at one moment; null is what its driver does not tell."""

    sm_mhz: float | None
    memory_mhz: float | None
    watts: float | None
    celsius: float | None
    busy_percent: float | None


class MachineSnapshot(Schema):
    """The machine at one moment; null is what it does not tell."""

    load_average: list[float] | None = Field(description="Over 1, 5 and 15 minutes")
    cpu_mhz: float | None = Field(description="Mean of all cores")
    cpu_celsius: float | None = Field(description="Of the hottest sensor of the CPU")
    gpus: list[GpuSnapshot]


class MachineState(Schema):
    """What else went on while rounds ran."""

    before: MachineSnapshot
    after: MachineSnapshot
    others_before: float | None = Field(
        description="Cores' worth of CPU that other processes took just before; null if not known"
    )
    others_during: float | None = Field(description="The same, on average over the rounds")
    involuntary_switches: int | None = Field(
        description="How often the main threads of this process and its ranks lost their core"
    )
    warnings: list[str] = Field(description="Why these times may be off; empty if nothing is known")


class BackendRecord(Schema):
    """What ran the variants of a latency."""

    name: str = Field(description="Folder of its results")
    kind: str = Field(description="As `latency.backends` names it")
    label: str = Field(description="In a few words for readers")
    ranks: int
    mode: str = Field(description="How decode steps ran: eager, cuda_graph or compiled")
    reference: str = Field(description="Backend whose dense time its times are divided by")
    dense_only: bool = Field(description="It runs the dense model and no other variant")


class Target(Schema):
    """One result file that a run makes."""

    kind: str = Field(description="Kind of result")
    group: str = Field(description="Folder of results that are compared with each other")
    variant: str

    @property
    def path(self) -> str:
        """The file, within the folder of the run."""
        return f"{self.group}/{self.variant}.json"


class RunRecord(Schema):
    """What a run is asked for; the report reads it beside the results."""

    schema_version: Literal[2] = 2
    config: dict[str, Any]
    backends: list[BackendRecord] = Field(description="In the order of the configuration")
    workloads: list[str] = Field(description="Folders of latency workloads, the smallest first")
    targets: list[Target]

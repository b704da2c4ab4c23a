"""A small made-up results folder, for tests of the report.

`MadeUpRun().fill(folder)` writes it; a test that needs other variants, losses or workloads gives
them to `MadeUpRun`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.registry import methods
from benchmarks.config.run_config import RunConfig
from benchmarks.config.sections import AA_CONTROL, LatencySection
from benchmarks.latency.backends import configured_backends
from benchmarks.results.result_schema import (
    LatencyResult,
    MultipleChoiceResult,
    MultipleChoiceSample,
    PerplexityResult,
    WindowSample,
    read_result,
    write_result,
)
from benchmarks.results.schema_parts import (
    BackendRecord,
    Hardware,
    MachineSnapshot,
    MachineState,
    Model,
    Provenance,
)
from benchmarks.targets import run_record
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

LAYERS = 6
MODEL = Model(name="tiny", sha256="ab" * 32, num_layers=LAYERS, note="Made up for a test.")
TEXTS = ("wikipedia", "c4")
SUITE = "few"
"""The one suite of multiple-choice tasks."""
LATENCY: dict[str, Any] = {"prompt_tokens": 8, "new_tokens": 3, "ranks": [2]}
PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    command="python -m benchmarks",
    commit="c0ffee",
    dirty=False,
    lock_sha256="cd" * 32,
    packages={"torch": "2.0", "lm_eval": "0.4.9"},
    python="3.12.0",
    system="Linux",
    hardware=Hardware(cpu="Imaginary CPU", cores=4, memory_gib=8, accelerators=[]),
    threads=2,
    device="cpu",
    dtype="float32",
    seed=0,
)
_MOMENT = MachineSnapshot(load_average=[0.5, 0, 0], cpu_mhz=3000, cpu_celsius=None, gpus=[])
MACHINE_STATE = MachineState(
    before=_MOMENT,
    after=_MOMENT,
    other_cores_before=0.0,
    other_cores_during=0.04,
    involuntary_switches=3,
    warnings=[],
)
BACKENDS: dict[str, BackendRecord] = {
    backend.name: backend.record()
    for backend in configured_backends(LatencySection(ranks=[2, 4], modes=["eager", "cuda_graph"]))
}
"""Every backend that a made-up run may time, by name."""


class MadeUpVariant(NamedTuple):
    """What a variant's manifest says."""

    family: str
    method: str
    options: dict[str, Any]
    plan: LayerPlan
    edits: Sequence[dict[str, Any]] = ()


VARIANTS = {
    "dense": MadeUpVariant("dense", "dense", {}, dense_plan(LAYERS)),
    "pairs": MadeUpVariant("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2)),
    "pairs-d1": MadeUpVariant("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2, 1)),
    "removed": MadeUpVariant("removal", "shortgpt", {}, kept_layers_plan(LAYERS, [0, 1, 2, 5])),
    "skipping": MadeUpVariant(
        "skipping",
        "unified",
        {"rule": "even"},
        kept_layers_plan(LAYERS, [0, 2, 4, 5], prompt_dense=True),
    ),
}
LOSSES = {"dense": 3.0, "pairs": 3.5, "pairs-d1": 3.4, "removed": 5.0, "skipping": 13.0}
"""Nats a token."""


def choice_scores(acc: bool | int, acc_norm: bool | int | None) -> dict[str, Any]:
    """Scores of a question with two choices, and log-likelihoods that they follow from."""
    norm = acc if acc_norm is None else acc_norm
    longer = {(1, 0): [1, 4], (0, 1): [4, 1]}
    return {
        "acc": int(acc),
        "acc_norm": None if acc_norm is None else int(acc_norm),
        "loglikelihoods": [-1.0, -2.0] if acc else [-2.0, -1.0],
        "characters": longer.get((int(acc), int(norm)), [1, 1]),
        "right": [0],
    }


def answer_again(path: Path, answer: Callable[[MultipleChoiceSample], Any]) -> None:
    """Rewrites a file of answers; `answer`: sample -> (acc, acc_norm), or None to keep it."""
    result = read_result(path)
    assert isinstance(result, MultipleChoiceResult)
    samples = []
    for sample in result.samples:
        scores = answer(sample)
        changes = {} if scores is None else choice_scores(*scores)
        samples.append(sample.model_copy(update=changes))
    write_result(path, result.model_copy(update={"samples": samples}))


@dataclass
class MadeUpRun:
    """What a run measures, and the results that it then writes."""

    variants: Mapping[str, Any] = field(default_factory=lambda: VARIANTS)
    """Name -> MadeUpVariant, or a tuple of its fields."""
    losses: Mapping[str, float] = field(default_factory=lambda: LOSSES)
    """Variant -> nats a token."""
    latency: dict[str, Any] | None = field(default_factory=lambda: LATENCY)
    generation_tasks: dict[str, int] = field(default_factory=dict)
    """Asked for; their results are left to the test."""
    healing: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variants = {name: MadeUpVariant(*made) for name, made in self.variants.items()}

    def fill(self, folder: Path) -> Path:
        """Writes every file of the run but the generated texts; returns the folder."""
        self.write_run_record(folder)
        for name in self.variants:
            write_json(folder / "variants" / f"{name}.json", self.manifest(name))
            write_result(folder / "perplexity" / f"{name}.json", self.perplexity_result(name))
            path = folder / "multiple_choice" / SUITE / f"{name}.json"
            write_result(path, self.multiple_choice_result(name))
        for target in run_record(self.config()).targets:
            if target.kind == "latency":
                _, backend, workload = target.group.split("/")
                result = self.latency_result(target.variant, backend, workload)
                write_result(folder / target.path, result)
        same = np.eye(LAYERS + 1).tolist()
        write_json(folder / "similarity.json", {"cosine": same, "angular_last": same})
        grid = [{"start": start, "end": start + 4, "nll": 3.0 + start} for start in (1, 2)]
        search = {"group_size": 2, "depth": 4, "grid": grid, "start": 1}
        write_json(folder / "search" / "P2-G4.json", search)
        return folder

    def write_run_record(self, folder: Path) -> None:
        write_json(folder / "run.json", run_record(self.config()).model_dump())

    def config(self) -> RunConfig:
        """Options need not be valid ones of their method."""
        variants = {
            name: {"method": made.method} | made.options | healed_option(made)
            for name, made in self.variants.items()
        }
        return RunConfig(
            name="made-up",
            model=MODEL.name,
            variants=variants,
            healing=self.healing,
            perplexity={"texts": list(TEXTS), "window": 200, "documents": 5},
            multiple_choice={SUITE: {"tasks": {"sciq": 6, "mmlu": 10}}},
            generation={"tasks": self.generation_tasks},
            latency=self.latency,
            report={"confidence": 0.95, "resamples": 999},
        )

    def manifest(self, name: str) -> dict[str, Any]:
        return variant_manifest(name, self.variants[name], MODEL)

    def perplexity_result(self, name: str, documents: int = 5) -> PerplexityResult:
        rng = np.random.default_rng(len(name))
        samples = [
            WindowSample(
                text=text,
                document=f"{text}{number}",
                tokens=100,
                bytes=400,
                nll=100 * (self.losses[name] + number / 10 + rng.normal(0, 0.01)),
            )
            for text in TEXTS
            for number in range(documents)
        ]
        return PerplexityResult(**self.result_fields(name), workload={}, samples=samples)

    def multiple_choice_result(self, name: str) -> MultipleChoiceResult:
        samples = [
            MultipleChoiceSample(
                task=task,
                document=f"{task}{number}",
                one_token=task.startswith("mmlu"),
                **choice_scores(number % 2, None if task.startswith("mmlu") else number % 3 == 0),
            )
            for task, documents in (("sciq", 6), ("mmlu_law", 1), ("mmlu_art", 9))
            for number in range(documents)
        ]
        fields = self.result_fields(name)
        return MultipleChoiceResult(**fields, workload={}, task_versions={}, samples=samples)

    def latency_result(
        self, name: str, backend: str = "engine", workload: str = "b1-p8"
    ) -> LatencyResult:
        """A step takes a second a layer; two ranks halve that, and Transformers doubles it.

        Each of the four rounds has a prefill and three decode steps, and is 0.1 s a step slower
        than the one before.
        """
        record, plan = BACKENDS[backend], self.plan_of(name)
        batch, prompt = (int(part[1:]) for part in workload.split("-"))
        seconds = plan.depth * (2 if record.kind == "transformers" else 1) / record.ranks
        group_size = plan.max_group_size if record.ranks > 1 else 1
        threads = {"threads": PROVENANCE.threads // record.ranks}
        return LatencyResult(
            **self.result_fields(name) | {"provenance": PROVENANCE.model_copy(update=threads)},
            workload={"prompt_tokens": prompt, "new_tokens": 3, "batch": batch},
            backend=record,
            layout={
                "group_parallel_size": group_size,
                "tensor_parallel_size": record.ranks // group_size,
                "ungrouped_layers": "rank0",
            },
            session="s",
            stop_reason="rounds",
            machine_state=MACHINE_STATE,
            weight_bytes=[4_000_000 // record.ranks] * record.ranks,
            samples=[[seconds + number / 10] * 4 for number in range(4)],
        )

    def result_fields(self, name: str) -> dict[str, Any]:
        """What results of every kind hold."""
        method = self.variants[variant_of(name)].method
        fields = result_fields(name, method, self.plan_of(name), MODEL)
        return fields | {"edits": list(self.variants[variant_of(name)].edits)}

    def plan_of(self, name: str) -> LayerPlan:
        return self.variants[variant_of(name)].plan


def healed_option(variant: MadeUpVariant) -> dict[str, Any]:
    """The steps of its edits as a configuration holds them."""
    steps = [edit["made"]["method"] for edit in variant.edits if edit["kind"] != "merge"]
    return {"healed": [{"method": method} for method in steps]} if steps else {}


def variant_of(name: str) -> str:
    """The variant that runs under a name; the A/A control is dense."""
    return "dense" if name == AA_CONTROL else name


def result_fields(name: str, method: str, plan: LayerPlan, model: Model) -> dict[str, Any]:
    return {
        "status": "ok",
        "variant": name,
        "method": method,
        "plan": plan.to_dict(),
        "slug": plan.slug,
        "model": model,
        "provenance": PROVENANCE,
    }


def variant_manifest(name: str, variant: MadeUpVariant, model: Model) -> dict[str, Any]:
    look = methods()[variant.method].model_construct(**variant.options).look
    return {
        "variant": name,
        "method": variant.method,
        "family": variant.family,
        "look": asdict(look),
        "options": variant.options,
        "plan": variant.plan.to_dict(),
        "edits": list(variant.edits),
        "model": model.model_dump() | {"path": "elsewhere"},
    }


def write_json(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))

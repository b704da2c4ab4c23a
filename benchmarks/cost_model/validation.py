"""The model against what others published and what was measured here, row by row.

Two figures of a machine are fitted, on rows that send nothing and then do not count: gpt-fast's
efficiency on one GPU, Ladder-Residual's efficiency and launches on its bound (there is no one-GPU
row of 70B). Latencies are presets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.cost_model.machine import ANY, Machine, load_machine
from benchmarks.cost_model.model_shapes import SHAPES, ModelShape
from benchmarks.cost_model.step_time import Prediction, StepWorkload, predict_step
from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.statistics import phase_times
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, dense_plan

PUBLISHED = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class ComparedRow:
    """One row: what the model says, and what is so."""

    table: str
    row: str
    ranks: int
    unit: str
    predicted: float
    found: float
    counts: bool
    """False where the row was used to fit the machine."""
    remark: str = ""

    @property
    def deviation(self) -> float:
        return self.predicted / self.found - 1

    def within(self, share: float) -> bool:
        return abs(self.deviation) <= share


def published_rows() -> list[ComparedRow]:
    """Every published speed beside its prediction."""
    return [row for table in yaml.safe_load(PUBLISHED.read_text()) for row in _table(table)]


def _table(table: dict[str, Any]) -> Iterator[ComparedRow]:
    ladder = "Ladder" in table["title"]
    machine = _ladder_machine() if ladder else _one_gpu_machine()
    machine = replace(machine, links=load_machine(table["links"]).links)
    for row in table["rows"]:
        for ranks, found in row["speeds"].items():
            predicted = _tokens_per_s(table, row, ranks, machine)
            yield ComparedRow(
                table=table["title"],
                row=f"{row['model']}, batch {row['batch']}, {row['how']}",
                ranks=ranks,
                unit="tokens/s",
                predicted=predicted,
                found=found,
                counts=not _fitted(table, row, ranks),
                remark=_remark(row, ranks, predicted / found - 1),
            )


def _fitted(table: dict[str, Any], row: dict[str, Any], ranks: int) -> bool:
    if "peer access off" in table["title"]:
        return row["how"] == "standard"
    if "Ladder" in table["title"]:
        return row["how"] == "bound" and row["batch"] == 1 and ranks in (2, 8)
    return row["model"] == "LLaMA-7B" and ranks == 1


def _remark(row: dict[str, Any], ranks: int, deviation: float) -> str:
    """Why a row lies more than 10 % off."""
    if abs(deviation) <= 0.1:
        return ""
    if row["batch"] > 1:
        return "attention and products of several sequences reach less than the bandwidth"
    if ranks > 2 and deviation > 0:
        return "products of a shard are small and reach less of the bandwidth than whole ones"
    return "links differ from those of the preset"


def _tokens_per_s(
    table: dict[str, Any], row: dict[str, Any], ranks: int, machine: Machine
) -> float:
    """Of all sequences, prompt included."""
    shape, layout = SHAPES[row["model"]], Layout(tensor_parallel_size=ranks)
    plan = _halves(shape.layers) if row["how"] == "parallel" else dense_plan(shape.layers)
    prompt = StepWorkload(
        phase="prefill", batch=row["batch"], context=table["prompt"], whole_head=True
    )
    seen = table["prompt"] + table["new"] // 2
    token = StepWorkload(batch=row["batch"], context=seen, whole_head=True)
    seconds = sum(
        times * _seconds(predict_step(plan, layout, shape, machine, work), row["how"])
        for times, work in ((1, prompt), (table["new"], token))
    )
    return row["batch"] * table["new"] / seconds


def _halves(layers: int) -> LayerPlan:
    """Attention beside the MLP, as in PaLM."""
    groups = tuple((f"{layer}.attn", f"{layer}.mlp") for layer in range(layers))
    return LayerPlan(num_layers=layers, groups=groups)


def _seconds(prediction: Prediction, how: str) -> float:
    kinds = {"bound": prediction.without_communication_s, "ladder": prediction.overlapped_s}
    return kinds.get(how, prediction.total_s)


def _published(title: str, model: str, how: str) -> dict[int, float]:
    """Speeds at batch 1."""
    table = next(t for t in yaml.safe_load(PUBLISHED.read_text()) if t["title"] == title)
    wanted = {"model": model, "batch": 1, "how": how}
    return next(r["speeds"] for r in table["rows"] if wanted.items() <= r.items())


def _one_gpu_machine() -> Machine:
    """Efficiency such that one GPU is as fast as published; launches are inside it."""
    speed = _published("gpt-fast, tensor parallel", "LLaMA-7B", "standard")[1]
    work = StepWorkload(context=105, whole_head=True)
    return _with(load_machine("a100-nvlink"), _reading(SHAPES["LLaMA-7B"], 1, work) * speed, 0.0)


def _ladder_machine() -> Machine:
    """T = launches + bytes / rate through the bounds on 2 and on 8 GPUs."""
    speeds = _published("Ladder-Residual, NVLink", "Llama-3.1-70B", "bound")
    shape, work = SHAPES["Llama-3.1-70B"], StepWorkload(context=1280, whole_head=True)
    read = {ranks: _reading(shape, ranks, work) for ranks in (2, 8)}
    rate = (read[2] - read[8]) / (1 / speeds[2] - 1 / speeds[8])
    stage_s = (1 / speeds[2] - read[2] / rate) / shape.layers
    return _with(load_machine("h100-nvlink"), rate, stage_s)


def _reading(shape: ModelShape, ranks: int, work: StepWorkload) -> float:
    """Bytes that a rank reads for a token: what a machine of 1 byte/s needs seconds for."""
    unit = _with(load_machine("h100-nvlink"), 1.0, 0.0)
    return predict_step(
        dense_plan(shape.layers), Layout(tensor_parallel_size=ranks), shape, unit, work
    ).without_communication_s


def _with(machine: Machine, bytes_per_s: float, stage_s: float) -> Machine:
    rate = machine.rate(ANY, ANY)
    efficiency = bytes_per_s / rate.bandwidth
    fitted = replace(rate, efficiency=efficiency, stage_s=stage_s)
    return replace(machine, rates={(ANY, ANY): fitted})


def measured_rows(bench: EngineBench, shape: ModelShape, machine: Machine) -> Iterator[ComparedRow]:
    """Decode steps of a bench's arms beside the prediction from a probe of the same machine.

    Left out: `generate` of Transformers, and sums in a star, of which the probe knows nothing.
    """
    work = StepWorkload(
        batch=bench.workload["batch"],
        context=bench.workload["prompt_tokens"] + bench.workload["new_tokens"] // 2,
        itemsize=4 if bench.provenance.dtype == "float32" else 2,
    )
    for system in bench.systems:
        if system.runs != "engine" or system.communicator not in ("default", "none"):
            continue
        plan, layout = LayerPlan.from_dict(system.plan), Layout(**system.layout)
        prediction = predict_step(plan, layout, shape, machine, work)
        if system.communicator == "none":
            predicted_s = prediction.without_communication_s
        elif plan.ladder is not None:  # sums of a ladder travel while the next half computes
            predicted_s = prediction.overlapped_s
        else:
            predicted_s = prediction.total_s
        measured_s = float(np.median(phase_times(system.samples)["decode"]))
        yield ComparedRow(
            table="this machine",
            row=system.name,
            ranks=layout.world_size,
            unit="ms",
            predicted=1e3 * predicted_s,
            found=1e3 * measured_s,
            counts=True,
        )

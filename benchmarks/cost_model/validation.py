"""The cost model beside speeds that others published, and beside times measured here. No torch.

Efficiency and launches of a machine are fitted on rows without messages, which are then marked as
fitted: gpt-fast's row of one GPU, and Ladder-Residual's bound, since no row has 70B on one GPU.
Latencies come from presets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from baselines.reordering.parallel_attention import parallel_attention_plan
from benchmarks.cost_model.machine import Machine, load_machine
from benchmarks.cost_model.model_shapes import SHAPES, ModelShape
from benchmarks.cost_model.rates import ANY
from benchmarks.cost_model.step_time import Prediction, predict_step, step_bytes
from benchmarks.cost_model.step_workload import StepWorkload, itemsize_of
from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.statistics import phase_times
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan, dense_plan

PUBLISHED_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class ComparedRow:
    """A prediction beside a published or measured figure."""

    table: str
    row: str
    ranks: int
    unit: str
    predicted: float
    measured: float
    """By the publication, or here."""
    fitted: bool
    """The row was used to fit the machine, so it proves nothing."""

    @property
    def deviation(self) -> float:
        """Share by which the prediction exceeds the measured figure."""
        return self.predicted / self.measured - 1

    def within(self, share: float) -> bool:
        """Whether the deviation is at most `share`, in either direction."""
        return abs(self.deviation) <= share


def published_rows() -> list[ComparedRow]:
    """Every published speed beside its prediction."""
    return [row for table in yaml.safe_load(PUBLISHED_FILE.read_text()) for row in _table(table)]


def _table(table: dict[str, Any]) -> Iterator[ComparedRow]:
    ladder = "Ladder" in table["title"]
    machine = _ladder_machine() if ladder else _one_gpu_machine()
    machine = replace(machine, links=load_machine(table["links"]).links)
    for row in table["rows"]:
        for ranks, measured in row["speeds"].items():
            predicted = _tokens_per_s(table, row, ranks, machine)
            yield ComparedRow(
                table=table["title"],
                row=f"{row['model']}, batch {row['batch']}, {row['how']}",
                ranks=ranks,
                unit="tokens/s",
                predicted=predicted,
                measured=measured,
                fitted=_is_fitted(table, row, ranks),
            )


def _is_fitted(table: dict[str, Any], row: dict[str, Any], ranks: int) -> bool:
    """Whether `_one_gpu_machine`, `_ladder_machine` or a preset's latency was fitted on the row."""
    if "peer access off" in table["title"]:
        return row["how"] == "standard"
    if "Ladder" in table["title"]:
        return row["how"] == "bound" and row["batch"] == 1 and ranks in (2, 8)
    return row["model"] == "LLaMA-7B" and ranks == 1


def _tokens_per_s(
    table: dict[str, Any], row: dict[str, Any], ranks: int, machine: Machine
) -> float:
    """Predicted tokens per second of all sequences, with the time of the prompt included."""
    shape, layout = SHAPES[row["model"]], Layout(tensor_parallel_size=ranks)
    plan = (
        parallel_attention_plan(shape.layers, 0, shape.layers)
        if row["how"] == "parallel"
        else dense_plan(shape.layers)
    )
    prompt = StepWorkload(
        phase="prefill", batch=row["batch"], context=table["prompt"], whole_head=True
    )
    mean_context = table["prompt"] + table["new"] // 2
    token = StepWorkload(batch=row["batch"], context=mean_context, whole_head=True)
    seconds = sum(
        count * _seconds(predict_step(plan, layout, shape, machine, work), row["how"])
        for count, work in ((1, prompt), (table["new"], token))
    )
    return row["batch"] * table["new"] / seconds


def _seconds(prediction: Prediction, how: str) -> float:
    """Seconds of a step under the `how` of a published row."""
    seconds = {"bound": prediction.without_communication_s, "ladder": prediction.overlapped_s}
    return seconds.get(how, prediction.total_s)


def _published(title: str, model: str, how: str) -> dict[int, float]:
    """Ranks -> published tokens per second at batch 1."""
    table = next(t for t in yaml.safe_load(PUBLISHED_FILE.read_text()) if t["title"] == title)
    key = {"model": model, "batch": 1, "how": how}
    return next(row["speeds"] for row in table["rows"] if key.items() <= row.items())


def _one_gpu_machine() -> Machine:
    """An A100 as fast as published for one GPU; its efficiency includes launches."""
    speed = _published("gpt-fast, tensor parallel", "LLaMA-7B", "standard")[1]
    work = StepWorkload(context=105, whole_head=True)
    bytes_read = _bytes_read(SHAPES["LLaMA-7B"], 1, work)
    return _with_rate(load_machine("a100-nvlink"), bytes_read * speed, 0.0)


def _ladder_machine() -> Machine:
    """An H100 with launches + bytes / rate fitted to the bounds on 2 and on 8 GPUs."""
    speeds = _published("Ladder-Residual, NVLink", "Llama-3.1-70B", "bound")
    shape, work = SHAPES["Llama-3.1-70B"], StepWorkload(context=1280, whole_head=True)
    bytes_read = {ranks: _bytes_read(shape, ranks, work) for ranks in (2, 8)}
    bytes_per_s = (bytes_read[2] - bytes_read[8]) / (1 / speeds[2] - 1 / speeds[8])
    stage_s = (1 / speeds[2] - bytes_read[2] / bytes_per_s) / shape.layers
    return _with_rate(load_machine("h100-nvlink"), bytes_per_s, stage_s)


def _bytes_read(shape: ModelShape, ranks: int, work: StepWorkload) -> int:
    """Bytes that each rank reads for a token of the dense model."""
    layout = Layout(tensor_parallel_size=ranks)
    return step_bytes(dense_plan(shape.layers), layout, 0, shape, work)


def _with_rate(machine: Machine, bytes_per_s: float, stage_s: float) -> Machine:
    rate = machine.rate(ANY, ANY)
    efficiency = bytes_per_s / rate.bandwidth
    fitted = replace(rate, efficiency=efficiency, stage_s=stage_s)
    return replace(machine, rates={(ANY, ANY): fitted})


def measured_rows(bench: EngineBench, shape: ModelShape, machine: Machine) -> Iterator[ComparedRow]:
    """Decode steps of a bench's systems beside predictions from a probe of that machine.

    Left out are systems that a probe cannot predict: `generate` of Transformers, sums in a star.
    """
    work = StepWorkload(
        batch=bench.workload["batch"],
        context=bench.workload["prompt_tokens"] + bench.workload["new_tokens"] // 2,
        itemsize=itemsize_of(bench.provenance.dtype),
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
            measured=1e3 * measured_s,
            fitted=False,
        )

"""Changes the latency results of a made-up run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_up_results import MadeUpRun

from benchmarks.results.result_schema import LatencyResult, write_result

WORKLOAD = "b1-p8"


def change_latency(folder: Path, name: str, backend: str = "engine", **changes: Any) -> None:
    """Changes fields of one result file."""
    made = MadeUpRun().latency_result(name, backend).model_dump()
    result = LatencyResult.model_validate(made | changes)
    write_result(folder / "latency" / backend / WORKLOAD / f"{name}.json", result)


def scaled_samples(name: str, factors: list[float]) -> list[list[float]]:
    """The samples of a variant on the engine, with each round slowed by its factor."""
    samples = MadeUpRun().latency_result(name).samples
    return [
        [factor * seconds for seconds in steps]
        for factor, steps in zip(factors, samples, strict=True)
    ]

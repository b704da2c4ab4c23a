"""JSON Schemas of configurations and results, for editors and for programs that read results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from baselines.registry import methods
from benchmarks.config.healing import HEALED, STEPS
from benchmarks.config.latency_budget import LATENCY_BUDGET, LatencyBudget
from benchmarks.config.run_config import RunConfig
from benchmarks.results.probe_record import MachineProbe
from benchmarks.results.result_schema import Result
from cqil.methods.method import Method

SCHEMAS_FOLDER = Path(__file__).resolve().parents[2] / "workflow" / "schemas"


def json_schemas() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema."""
    config = RunConfig.model_json_schema()
    method_schemas = [_method_schema(method) for _, method in sorted(methods().items())]
    config["properties"]["variants"]["additionalProperties"] = {"oneOf": method_schemas}
    return {
        "config.schema.json": config,
        "result.schema.json": TypeAdapter(Result).json_schema(),
        "probe.schema.json": MachineProbe.model_json_schema(),
    }


def _method_schema(method: type[Method]) -> dict[str, Any]:
    """The options of a method and of healing; a latency budget may take the place of a depth."""
    schema = method.model_json_schema()
    steps = {"oneOf": [step.model_json_schema() for step in STEPS.values()]}
    schema["properties"][HEALED] = {"anyOf": [steps, {"type": "array", "items": steps}]}
    if "depth" in schema["properties"]:
        schema["properties"][LATENCY_BUDGET] = LatencyBudget.model_json_schema()
        schema["required"] = [key for key in schema.get("required", []) if key != "depth"]
    return schema

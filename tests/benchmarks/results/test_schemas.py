"""Result files: round trips, and what their schema refuses."""

import json
import math
import re

import pytest
from project import ROOT
from pydantic import ValidationError

from benchmarks.cli.json_schemas import json_schemas
from benchmarks.results.result_schema import (
    LatencyResult,
    MultipleChoiceResult,
    MultipleChoiceSample,
    PerplexityResult,
    WindowSample,
    read_result,
    write_result,
)
from benchmarks.results.schema_parts import BackendRecord
from cqil import uniform_plan

PLAN = uniform_plan(6, 1, 5, 2, bypass=1)

PROVENANCE = {
    "created": "2024-01-01T00:00:00+00:00",
    "command": "python -m benchmarks perplexity",
    "commit": None,
    "dirty": None,
    "lock_sha256": None,
    "packages": {"torch": "2"},
    "python": "3.12",
    "system": "any",
    "hardware": {"cpu": "any", "cores": 1, "memory_gib": 1.5, "accelerators": []},
    "threads": 1,
    "device": "cpu",
    "dtype": "float32",
    "seed": 0,
}
COMMON = {
    "variant": "pairs",
    "method": "uniform",
    "plan": PLAN.to_dict(),
    "slug": PLAN.slug,
    "model": {"name": "tiny", "sha256": "0", "num_layers": 6, "note": ""},
    "workload": {"window": 16},
    "provenance": PROVENANCE,
}
WINDOW = WindowSample(text="c4", document="ab", tokens=8, bytes=31, nll=12.75)
CHOICE = MultipleChoiceSample(
    task="sciq",
    document="cd",
    acc=1,
    acc_norm=None,
    loglikelihoods=[-1.5, -2.25],
    characters=[3, 4],
    right=[0],
    one_token=False,
)
STEP_SECONDS = [0.125, 0.0625]
BACKEND = BackendRecord(
    name="ranks-2",
    kind="engine",
    label="engine on 2 ranks",
    ranks=2,
    mode="eager",
    reference="engine",
    dense_only=False,
)


def perplexity(**changes):
    return PerplexityResult.model_validate(COMMON | {"status": "ok", "samples": [WINDOW]} | changes)


RESULTS = [
    perplexity(),
    perplexity(status="skipped", reason="device: cuda is absent", samples=[]),
    MultipleChoiceResult(**COMMON, status="ok", samples=[CHOICE], task_versions={"sciq": "1.0"}),
    LatencyResult(
        **COMMON | {"workload": {"batch": 1, "prompt_tokens": 4}},
        status="ok",
        samples=[STEP_SECONDS],
        backend=BACKEND,
        layout={"group_parallel_size": 2},
        session="s",
    ),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: f"{result.kind} {result.status}")
def test_round_trip(result, tmp_path):
    write_result(tmp_path / "new" / "result.json", result)
    again = read_result(tmp_path / "new" / "result.json")
    assert type(again) is type(result)
    assert again == result


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"samples": []}, "samples: empty, but status is ok"),
        ({"status": "skipped", "samples": []}, "reason: a skipped result needs one"),
        ({"status": "failed", "samples": []}, "reason: a failed result needs one"),
        ({"status": "skipped", "reason": "no GPU"}, "and no samples"),
        ({"status": "failed", "reason": "out of memory"}, "and no samples"),
        ({"status": "running"}, "\nstatus\n"),
        ({"speed": 3}, "speed\n  Extra inputs are not permitted"),
        ({"kind": "latency"}, "\nkind\n"),
        ({"samples": [STEP_SECONDS]}, "\nsamples.0\n"),
        ({"samples": [WINDOW.model_dump() | {"nll": math.inf}]}, "\nsamples.0.nll\n"),
        ({"samples": [WINDOW.model_dump() | {"nll": math.nan}]}, "\nsamples.0.nll\n"),
        ({"projected": True}, "\nprojected\n"),
        ({"schema_version": 1}, "\nschema_version\n"),
    ],
)
def test_results_that_contradict_themselves_are_refused(changes, complaint):
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        perplexity(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "throughput"},
        {"kind": "latency"},
        {"status": "skipped"},
        {"samples": [WINDOW.model_dump() | {"perplexity": 18.3}]},
    ],
)
def test_files_that_do_not_follow_the_schema_are_refused(changes, tmp_path):
    data = perplexity().model_dump() | changes
    (tmp_path / "result.json").write_text(json.dumps(data))
    with pytest.raises(ValidationError):
        read_result(tmp_path / "result.json")


def test_committed_schemas_are_those_of_the_code():
    folder = ROOT / "workflow" / "schemas"
    for name in ("result.schema.json", "probe.schema.json"):
        assert json.loads((folder / name).read_text()) == json_schemas()[name]

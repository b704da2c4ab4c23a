"""The result schema and the configuration: what they refuse, and that their documents are true."""

import json
import re
from pathlib import Path

import pytest
from project import ROOT
import yaml
from pydantic import BaseModel, ValidationError

from baselines.registry import methods
from benchmarks.cli.json_schemas import json_schemas
from benchmarks.config.run_config import RunConfig, TaskSuite, parse_config
from benchmarks.results.measurements import (
    LatencyResult,
    MultipleChoiceResult,
    MultipleChoiceSample,
    PerplexityResult,
    WindowSample,
    read_result,
    write_result,
)
from benchmarks.results.schema import StepSample
from cqil import uniform_plan

PLAN = uniform_plan(6, 1, 5, 2, bypass=1)
README = (ROOT / "config" / "README.md").read_text()
CONFIGURATIONS = {"default", "smoke", "full", "llama", "rules", "bypass", "skipping", "wmt"}

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
    task="sciq", document="cd", acc=1, acc_norm=None, loglikelihoods=[-1.5, -2.25], one_token=False
)
STEP = StepSample(round=0, phase="prefill", step=0, seconds=0.125)


def perplexity(**changes):
    return PerplexityResult.model_validate(COMMON | {"status": "ok", "samples": [WINDOW]} | changes)


RESULTS = [
    perplexity(),
    perplexity(samples=[WINDOW.model_copy(update={"nll": float("inf")})]),
    perplexity(status="skipped", reason="device: cuda is absent", samples=[]),
    MultipleChoiceResult(**COMMON, status="ok", samples=[CHOICE], task_versions={"sciq": "1.0"}),
    LatencyResult(
        **COMMON, status="ok", samples=[STEP], path="ranks-2", layout={"lanes": 2}, session="s"
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
        ({"samples": [STEP]}, "\nsamples.0\n"),
        ({"projected": True}, "\nprojected\n"),
        ({"schema_version": 2}, "\nschema_version\n"),
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
    committed = {p.name: json.loads(p.read_text()) for p in ROOT.glob("workflow/schemas/*.json")}
    assert committed == json_schemas()


def key_paths(model, prefix=""):
    """Dotted keys of a section; a section inside it stands for its own keys."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if inner and TaskSuite not in inner:
            yield from key_paths(inner[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def in_backticks(key):
    """The key as code on its own, or with a value behind it."""
    return re.search(rf"`{re.escape(key)}(: [^`]+)?`", README)


def test_paths_of_the_sections_are_found():
    """Else the test below would pass on nothing."""
    expected = {"name", "calibration.texts", "search.grid", "perplexity.window", "choices"}
    assert expected | {"latency.ranks", "report.confidence"} <= set(key_paths(RunConfig))
    assert "latency" not in set(key_paths(RunConfig))


@pytest.mark.parametrize("key", [*key_paths(RunConfig), *TaskSuite.model_fields])
def test_every_key_is_explained(key):
    assert in_backticks(key), f"config/README.md does not explain `{key}`"


@pytest.mark.parametrize("name", sorted(methods().keys() - {"dense"}))
def test_every_method_and_option_is_explained(name):
    keys = [f"method: {name}", *methods()[name].model_fields]
    assert not [key for key in keys if not in_backticks(key)]


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_published_configurations_are_accepted(name):
    raw = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    config = parse_config(raw)
    assert config.variants.keys() == raw["variants"].keys()
    assert config.model == raw["model"]


def test_every_configuration_is_tested():
    files = {path.stem for path in (ROOT / "config").glob("*.yaml")}
    assert files == {"assets", "generation", *CONFIGURATIONS}

"""What a change reruns: exactly the jobs that use it, after a real run on a tiny model.

Each test changes one thing in a finished run, asks for a dry run, and puts the thing back.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from project import Project

from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import dense_s
from benchmarks.cost_model.step_workload import StepWorkload

AGGREGATES = {"all", "run_record", "draw_report", "time_variants"}


@pytest.fixture(scope="module")
def model(tiny_llama, tmp_path_factory) -> Path:
    """The tiny LLaMA under a path that a shell, or Snakemake, would read as more than a path."""
    folder = tmp_path_factory.mktemp("models") / "it's a [tiny] {model} & more; (base)"
    shutil.copytree(tiny_llama, folder)
    return folder


@pytest.fixture(scope="module")
def budget(tiny_llama) -> dict:
    """A decode step that is a fifth shorter than dense's."""
    shape = ModelShape.of_config("tiny", json.loads((tiny_llama / "config.json").read_text()))
    seconds = dense_s(shape, load_machine("h100-nvlink"), StepWorkload(itemsize=4))
    return {"ms": round(0.8e3 * seconds, 9), "machine": "h100-nvlink", "dtype": "float32"}


@pytest.fixture(scope="module")
def config(model, budget) -> dict:
    return {
        "name": "tiny",
        "model": str(model),
        "calibration": {"documents": 2, "window": 32},
        "search": {"grid": 2, "documents": 1, "window": 32},
        "variants": {
            "dense": {"method": "dense"},
            "pairs": {"method": "uniform", "group_size": 2, "depth": 3},
            "short": {"method": "shortgpt", "depth": 3},
            "fast": {"method": "sleb", "latency_budget": budget},
            "skip": {"method": "unified", "rule": "code", "speedup": 2},
        },
        "perplexity": {"documents": 2, "window": 32},
        "latency": {"prompt_tokens": 4, "new_tokens": 2, "rounds": 5},
        "report": {"resamples": 999},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory, config) -> Project:
    """A finished run, which stopped once on its way: the second call must take up what is left."""
    folder = tmp_path_factory.mktemp("rerun") / "it's a (project) & more; here"
    folder.mkdir()
    project = Project(folder)
    file = str(project.write_config(config))
    first = project.snakemake("results/tiny/perplexity/dense.json", "--configfile", file)
    assert first.returncode == 0, first.stdout
    rest = planned(project)
    assert ("perplexity", "short") in rest
    assert ("perplexity", "dense") not in rest
    assert not {rule for rule, _ in rest} & {"wheel", "text", "model"}
    second = project.snakemake("--configfile", file)
    assert second.returncode == 0, second.stdout
    return project


def planned(project: Project) -> set[tuple[str, str]]:
    """(rule, variant or nothing) of each job that a run would do now."""
    done = project.snakemake("--dry-run", "--configfile", "run.yaml")
    assert done.returncode == 0, done.stdout
    jobs = re.split(r"\n(?:local)?rule ", done.stdout)[1:]
    variant = re.compile(r"variant=([\w-]+)")
    return {
        (job.split(":", 1)[0], found[1] if (found := variant.search(job)) else "") for job in jobs
    }


def measured(project: Project) -> set[tuple[str, str]]:
    """The planned jobs without those that always follow a measurement."""
    return {(rule, variant) for rule, variant in planned(project) if rule not in AGGREGATES}


@contextlib.contextmanager
def edited(project: Project, name: str, old: str, new: str):
    path = project.folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


@contextlib.contextmanager
def configured(project: Project, config: dict):
    before = (project.folder / "run.yaml").read_text()
    project.write_config(config)
    try:
        yield
    finally:
        (project.folder / "run.yaml").write_text(before)


def jobs_of(variant: str) -> set[tuple[str, str]]:
    return {("variant", variant), ("perplexity", variant)}


def test_a_budget_leaves_a_depth_and_says_that_it_is_projected(project, budget):
    manifest = json.loads((project.folder / "results/tiny/variants/fast.json").read_text())
    fit = manifest["budget"]
    assert fit["projected"]
    assert manifest["depth"] == fit["depth"] < 4
    assert fit["predicted_ms"] <= budget["ms"] < fit["dense_ms"]


def test_nothing_changed_reruns_nothing(project):
    assert planned(project) == set()


def test_imported_module_reruns_what_imports_it(project):
    with edited(
        project,
        "benchmarks/accuracy/phase_aware_scoring.py",
        "LOGITS_CHUNK = 512",
        "LOGITS_CHUNK = 256",
    ):
        rules = {rule for rule, _ in measured(project)}
    # Searches score too: early exit takes its thresholds from scored text.
    assert {"perplexity", "search"} <= rules
    assert not {"time_variants", "wheel", "text", "model"} & rules


def test_module_of_one_measurement_reruns_that_alone(project):
    with edited(
        project, "benchmarks/latency/measure_latency.py", "import uuid", "import uuid  # changed"
    ):
        assert planned(project) == {("time_variants", ""), ("draw_report", ""), ("all", "")}


def test_one_methods_file_reruns_its_variants_alone(project):
    with edited(project, "baselines/removal/shortgpt.py", "stream least", "stream the least"):
        assert measured(project) == jobs_of("short")


def test_the_cost_model_reruns_what_has_a_budget_alone(project):
    old = '"""The largest depth whose'
    with edited(project, "benchmarks/cost_model/depth_for_budget.py", old, f"# changed\n{old}"):
        again = measured(project)
    assert {variant for rule, variant in again if rule in ("variant", "perplexity")} == {"fast"}


def test_report_code_reruns_the_report_alone(project):
    with edited(project, "reports/estimates/quality.py", "annotations", "annotations  # changed"):
        assert planned(project) == {("draw_report", ""), ("all", "")}


def test_shell_command_reruns_its_rule(project):
    old = "python -m benchmarks perplexity"
    with edited(project, "workflow/rules/accuracy.smk", old, f"nice {old}"):
        assert {rule for rule, _ in measured(project)} == {"perplexity"}


def test_touched_but_identical_source_reruns_nothing(project):
    os.utime(project.folder / "reports" / "page" / "page.html.j2")
    assert planned(project) == set()


def test_changed_source_reruns_its_rule(project):
    with edited(project, "reports/page/page.html.j2", "</html>", "<!-- changed --></html>"):
        assert planned(project) == {("draw_report", ""), ("all", "")}


def test_one_variants_entry_reruns_its_jobs_alone(project, config):
    other = copy.deepcopy(config)
    other["variants"]["skip"]["speedup"] = 1.5
    with configured(project, other):
        assert measured(project) == jobs_of("skip")


def test_added_variant_adds_its_jobs_alone(project, config):
    other = copy.deepcopy(config)
    other["variants"]["far"] = {"method": "gromov", "depth": 2}
    with configured(project, other):
        assert measured(project) == jobs_of("far")


def test_removed_variant_reruns_aggregates_alone(project, config):
    other = copy.deepcopy(config)
    del other["variants"]["skip"]
    with configured(project, other):
        assert measured(project) == set()
        assert ("draw_report", "") in planned(project)


def test_workload_reruns_what_it_belongs_to(project, config):
    other = copy.deepcopy(config)
    other["perplexity"]["window"] = 64
    with configured(project, other):
        assert {rule for rule, _ in measured(project)} == {"perplexity"}


def test_lost_result_is_measured_again(project):
    path = project.folder / "results/tiny/perplexity/short.json"
    text = path.read_text()
    path.unlink()
    try:
        assert measured(project) == {("perplexity", "short")}
    finally:
        path.write_text(text)


def test_changed_weights_reach_every_variant(project):
    with edited(project, manifest(project), '"sha256": "', '"sha256": "0'):
        rules = measured(project)
    assert {("variant", v) for v in ("dense", "pairs", "short", "skip")} <= rules


def manifest(project: Project) -> str:
    found = next((project.folder / "resources" / "models").rglob("manifest.json"))
    return str(found.relative_to(project.folder))


def test_a_checkpoint_that_is_saved_anew_is_measured_anew(project, model):
    file = model / "model.safetensors"
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    rules = {rule for rule, _ in planned(project)}
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert {"model", "similarity", "search", "perplexity", "time_variants"} <= rules
    assert planned(project) == set()

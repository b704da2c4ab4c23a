"""Malformed configurations stop the real workflow before any job, in one line naming the key."""

from __future__ import annotations

import copy

import pytest
from project import Project

GOOD = {
    "name": "run",
    "model": "smollm2-135m-instruct",
    "variants": {"dense": {"method": "dense"}},
}
BUDGET = {"ms": 5, "machine": "h100-nvlink"}


def changed(**keys) -> dict:
    return copy.deepcopy(GOOD) | keys


def with_variant(**options) -> dict:
    return changed(variants=GOOD["variants"] | {"mine": options})


def without(key: str) -> dict:
    return {name: value for name, value in GOOD.items() if name != key}


# key that the line must name -> configuration
MALFORMED = [
    ("modle", changed(modle="x")),
    ("name", without("name")),
    ("name", changed(name="../escape")),
    ("model", without("model")),
    ("model", changed(model="")),
    ("model", changed(model=7)),
    ("device", changed(device="tpu")),
    ("dtype", changed(dtype="int8")),
    ("seed", changed(seed=-1)),
    ("seed", changed(seed="zero")),
    ("seed", changed(seed=True)),
    ("model: './nowhere' is no folder", changed(model="./nowhere")),
    ("model: 'llama' is no folder", changed(model="llama")),
    ("latency.ranks: 64, but", changed(latency={"ranks": [64]})),
    ("variants.mine.depth", with_variant(method="shortgpt", depth=31)),
    ("variants.mine.end", with_variant(method="uniform", group_size=2, start=3, end=40)),
    ("variants.mine.slug", with_variant(method="plan", slug="S12-E40-P2-D0")),
    ("variants.mine.dept: unknown key; did you mean depth?", with_variant(method="gromov", dept=3)),
    ("variants.mine.bypass", with_variant(method="uniform", group_size=2, depth=20, bypass=True)),
    ("calibration.texts", changed(calibration={"texts": ["wikitext"]})),
    ("calibration.texts", changed(calibration={"texts": []})),
    ("calibration.texts", changed(calibration={"texts": ["c4", "c4"]})),
    ("calibration.window", changed(calibration={"window": 1})),
    ("calibration.documents", changed(calibration={"documents": 0})),
    ("calibration.tokens", changed(calibration={"tokens": 5})),
    ("search.grid", changed(search={"grid": 0})),
    ("perplexity.documents", changed(perplexity={"documents": "many"})),
    ("perplexity.window", changed(perplexity={"window": None})),
    ("multiple_choice.quick.tasks", changed(multiple_choice={"quick": {"tasks": {"gsm9k": 5}}})),
    ("multiple_choice.quick.tasks", changed(multiple_choice={"quick": {"tasks": {}}})),
    (
        "multiple_choice.quick.tasks.sciq",
        changed(multiple_choice={"quick": {"tasks": {"sciq": 0}}}),
    ),
    (
        "multiple_choice",
        changed(multiple_choice={n: {"tasks": {"sciq": 1}} for n in ("one", "two")}),
    ),
    ("generation.tasks", changed(generation={"tasks": {"xsum": 3}})),
    ("generation.tasks.fr-en", changed(generation={"tasks": {"fr-en": 0}})),
    ("generation.tasks.wmt22-de-en", changed(generation={"tasks": {"wmt22-de-en": None}})),
    ("generation.batch", changed(generation={"batch": 0})),
    (
        "variants.mine.latency_budget.machine",
        with_variant(method="uniform", latency_budget={"ms": 5}),
    ),
    (
        "variants.mine.latency_budget.ms",
        with_variant(method="sleb", latency_budget=BUDGET | {"ms": 0}),
    ),
    ("variants.mine.latency_budget", with_variant(method="sleb", depth=5, latency_budget=BUDGET)),
    ("variants.mine.latency_budget", with_variant(method="painters", latency_budget=BUDGET)),
    ("latency.rounds", changed(latency={"rounds": 1})),
    ("latency.rounds", changed(latency={"rounds": 4})),
    ("latency.precision", changed(latency={"precision": 5})),
    ("latency.budget_s", changed(latency={"budget_s": 0})),
    ("latency.batch.1", changed(latency={"batch": [1, 0]})),
    ("latency.prompt_tokens", changed(latency={"prompt_tokens": [8, 8]})),
    ("latency.modes", changed(latency={"modes": ["cuda_graph"]})),
    ("latency.modes.1", changed(latency={"modes": ["eager", "fast"]})),
    ("latency.backends", changed(latency={"backends": ["engine", "abacus"]})),
    ("latency.new_tokens", changed(latency={"new_tokens": 1})),
    ("latency.ranks.0", changed(latency={"ranks": [1]})),
    ("latency.ranks", changed(latency={"ranks": [2, 2]})),
    ("report.confidence", changed(report={"confidence": 95})),
    (
        "variants",
        changed(variants=GOOD["variants"] | {"dense-control": {"method": "last-n", "depth": 3}}),
    ),
    ("variants", changed(variants={"dense": {"method": "shortgpt", "depth": 3}})),
    ("variants.mine.method", with_variant(method="shortgtp", depth=3)),
    ("variants.mine.method", with_variant(depth=3)),
    ("variants.mine.depth", with_variant(method="shortgpt")),
    ("variants.mine.depth", with_variant(method="gromov", depth=0)),
    ("variants.mine.group_size", with_variant(method="uniform", group_size=1, depth=3)),
    ("variants.mine.bypass", with_variant(method="uniform", group_size=2, depth=3, bypass=-1)),
    ("variants.mine", with_variant(method="uniform", group_size=2, start=3)),
    ("variants.mine", with_variant(method="uniform", group_size=2, depth=3, start=3, end=5)),
    ("variants.mine.speedup", with_variant(method="unified", rule="code", speedup=1)),
    ("variants.mine", with_variant(method="unified", rule="even", speedup=2)),
    ("variants.mine.seed", with_variant(method="random", depth=3, seed=-1)),
    ("variants.mine.layers", with_variant(method="dense", layers=3)),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return Project(tmp_path_factory.mktemp("config"))


@pytest.mark.parametrize(("key", "config"), MALFORMED, ids=[key for key, _ in MALFORMED])
def test_malformed_config_is_refused_in_one_line(project, key, config):
    done = project.snakemake("--dry-run", "--configfile", str(project.write_config(config)))
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"error: config: {key}")
    assert not (project.folder / "results").exists()


def test_the_smallest_good_config_is_accepted(project):
    done = project.snakemake("--dry-run", "--configfile", str(project.write_config(GOOD)))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["skipping.yaml", "smoke.yaml"])
def test_configurations_of_the_project_are_accepted(project, name):
    done = project.snakemake("--dry-run", "--quiet", "--configfile", f"config/{name}")
    assert done.returncode == 0, done.stdout


def test_users_file_makes_its_tasks_jobs(project):
    """The test of WMT22 is refused above; with the file in place its jobs are planned."""
    config = changed(generation={"tasks": {"wmt22-de-en": None}})
    examples = project.folder / "data" / "wmt22.de-en.jsonl"
    examples.parent.mkdir()
    examples.write_text('{"source": "Ja.", "reference": "Yes."}\n')
    try:
        done = project.snakemake("--dry-run", "--configfile", str(project.write_config(config)))
    finally:
        examples.unlink()
        examples.parent.rmdir()
    assert done.returncode == 0, done.stdout
    jobs = [line.split() for line in done.stdout.splitlines()]
    assert ["examples", "1"] in jobs
    assert ["generation", "1"] in jobs

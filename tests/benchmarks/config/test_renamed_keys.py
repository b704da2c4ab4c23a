"""Configurations from before schema 2: one line names the new key or value."""

import json

import pytest

from benchmarks.config.generation_tasks import GENERATION_TASKS, read_generation_tasks
from benchmarks.config.run_config import parse_config
from benchmarks.config.validation_errors import RENAMED_KEYS, RENAMED_VALUES

BUDGET = {"ms": 5, "machine": "h100-nvlink"}


def config(variant=None, **sections):
    variants = {"dense": {"method": "dense"}} | ({} if variant is None else {"mine": variant})
    return {"name": "run", "model": "tiny", "variants": variants} | sections


OLD_CONFIGS = [
    (
        config(choices={"quick": {"tasks": {"sciq": 5}}}),
        "config: choices: is now called multiple_choice; rename it",
    ),
    (
        config({"method": "sleb", "latency_budget": BUDGET | {"lanes": 2}}),
        "config: variants.mine.latency_budget.lanes: is now called group_parallel_size; rename it",
    ),
    (
        config({"method": "sleb", "latency_budget": BUDGET | {"shards": 2}}),
        "config: variants.mine.latency_budget.shards: is now called tensor_parallel_size; "
        "rename it",
    ),
    (
        config({"method": "early-exit", "criterion": "saturation", "threshold": 0.9, "least": 2}),
        "config: variants.mine.least: is now called min_layers; rename it",
    ),
    (
        config(latency={"modes": ["eager", "graph"]}),
        "config: latency.modes.1: 'graph' is now called 'cuda_graph'; rename it",
    ),
]


@pytest.mark.parametrize(("raw", "line"), OLD_CONFIGS, ids=[line[8:40] for _, line in OLD_CONFIGS])
def test_an_old_name_is_answered_with_the_new_one(raw, line):
    with pytest.raises(ValueError, match=r"\Aconfig: ") as error:
        parse_config(raw)
    assert str(error.value) == line


def test_an_old_task_is_answered_with_the_new_key(tmp_path):
    """The new key is missing as well, but the old one explains it."""
    task = GENERATION_TASKS["fr-en"].model_dump(mode="json")
    path = tmp_path / "generation.yaml"
    path.write_text(json.dumps({"mine": task | {"pairs": task.pop("dataset")}}))
    with pytest.raises(ValueError, match="pairs") as error:
        read_generation_tasks(path)
    assert str(error.value) == f"{path}: mine.pairs: is now called dataset; rename it"


def test_every_renaming_is_tested():
    lines = " ".join(line for _, line in OLD_CONFIGS)
    assert {old for old in RENAMED_KEYS if f"{old}: is now" not in lines} == {"pairs"}
    assert all(f"'{old}' is now" in lines for old in RENAMED_VALUES)


def test_other_unknown_keys_are_no_renamings():
    with pytest.raises(ValueError, match=r"\Aconfig: laness: unknown key; [^\n]*\Z"):
        parse_config(config(laness=2))
    with pytest.raises(ValueError, match=r"\Aconfig: latency\.modes\.1: Input [^\n]*'grahp'\Z"):
        parse_config(config(latency={"modes": ["eager", "grahp"]}))

"""config/README.md explains every key, and the published configurations are accepted."""

import re

import pytest
import yaml
from project import ROOT
from pydantic import BaseModel

from baselines.registry import methods
from benchmarks.config.healing import STEPS
from benchmarks.config.run_config import RunConfig, TaskSuite, parse_config

README = (ROOT / "config" / "README.md").read_text()
CONFIGURATIONS = {"default", "smoke", "full", "llama", "rules", "bypass", "skipping", "wmt"} | {
    "heal",
    "released-adapters",
    "released-recipe",
}


def key_paths(model, prefix=""):
    """Dotted keys of a section, with the keys of the sections inside it."""
    for name, field in model.model_fields.items():
        types = [field.annotation, *getattr(field.annotation, "__args__", ())]
        sections = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
        if sections and TaskSuite not in sections:
            yield from key_paths(sections[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def in_backticks(key):
    """The key as code, alone or with a value after it."""
    return re.search(rf"`{re.escape(key)}(: [^`]+)?`", README)


def test_paths_of_the_sections_are_found():
    """Else the test below would pass on nothing."""
    expected = {"name", "calibration.texts", "search.grid", "perplexity.window", "multiple_choice"}
    assert expected | {"latency.ranks", "report.confidence"} <= set(key_paths(RunConfig))
    assert "latency" not in set(key_paths(RunConfig))


@pytest.mark.parametrize("key", [*key_paths(RunConfig), *TaskSuite.model_fields])
def test_every_key_is_explained(key):
    assert in_backticks(key), f"config/README.md does not explain `{key}`"


@pytest.mark.parametrize("name", sorted(methods().keys() - {"dense"}))
def test_every_method_and_option_is_explained(name):
    keys = [f"method: {name}", *methods()[name].model_fields]
    assert not [key for key in keys if not in_backticks(key)]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_of_healing_is_explained(name):
    keys = [f"method: {name}", *STEPS[name].model_fields]
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

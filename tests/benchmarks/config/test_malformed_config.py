"""Every value of the published configurations, malformed: accepted as legal, or one line."""

import copy
import math

import pytest
import yaml
from project import ROOT

from benchmarks.config.run_config import parse_config

WORDS = [None, "", -1, 0, 1.5, math.nan, math.inf, "{x}", "a;b", [], [[]], {}, {"x": 1}, True]
"""What stands in place of one value."""
FILES = ["default.yaml", "skipping.yaml", "rules.yaml", "bypass.yaml"]


def places(value, path=()):
    """The path of every value, mappings and lists included."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(config, path, word):
    changed = copy.deepcopy(config)
    *parents, last = path
    holder = changed
    for key in parents:
        holder = holder[key]
    holder[last] = word
    return changed


@pytest.mark.parametrize("file", FILES)
def test_any_malformed_value_is_one_line(file):
    config = yaml.safe_load((ROOT / "config" / file).read_text())
    refused = 0
    for path in places(config):
        for word in WORDS:
            try:
                parse_config(replaced(config, path, word))
            except ValueError as error:
                refused += 1
                if "\n" in str(error):
                    pytest.fail(f"{path} = {word!r}: {error}")
    assert refused > 100


@pytest.mark.parametrize("file", FILES)
def test_any_unknown_key_is_named(file):
    config = yaml.safe_load((ROOT / "config" / file).read_text())
    for path in places(config):
        if isinstance(last := path[-1], str):
            changed = replaced(config, path, {"x": 1})
            with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
                parse_config(changed | {f"{last}_x": 1})

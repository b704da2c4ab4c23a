"""Every file of a run, with one value changed at a time: it is read, or refused in one line."""

import copy
import json

import pytest
from made_up_healing import healed_run
from made_up_results import MadeUpRun

from reports.data.load_results import load_results

FILES = (
    "run.json",
    "similarity.json",
    "variants/pairs.json",
    "search/P2-G4.json",
    "perplexity/pairs.json",
    "multiple_choice/few/pairs.json",
    "latency/engine/b1-p8/pairs.json",
)
TEXTS = ("", "{", "[]", "{}", "3", "null", '"text"')
VALUES = (None, "text", -1, 0, [], {}, 1e308)


def places(data, above=()):
    """The place of every value, as keys; of a list the first entry stands for all."""
    entries = data.items() if isinstance(data, dict) else enumerate(data[:1])
    for key, value in entries:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def changed(data, place):
    """The data with each other value at the place, and without any."""
    for value in (*VALUES, "deleted"):
        other = inner = copy.deepcopy(data)
        for key in place[:-1]:
            inner = inner[key]
        if value == "deleted":
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
        yield json.dumps(other)


@pytest.mark.parametrize(
    ("run", "file"),
    [*((MadeUpRun(), file) for file in FILES), (healed_run(), "variants/p-two.json")],
)
def test_one_malformed_value(run, file, tmp_path):
    path, errors = run.fill(tmp_path) / file, {}
    data = json.loads(path.read_text())
    texts = [*TEXTS, *(text for place in places(data) for text in changed(data, place))]
    for text in texts:
        path.write_text(text)
        errors[text] = refusal(tmp_path)
    refused = {text: error for text, error in errors.items() if error is not None}
    assert len(refused) > len(TEXTS)
    assert all(type(error) is ValueError for error in refused.values())
    assert not [text for text, error in refused.items() if "\n" in str(error)]


def refusal(folder):
    """The error about a folder; None where it is read."""
    try:
        load_results(folder)
    except ValueError as error:
        return error
    return None

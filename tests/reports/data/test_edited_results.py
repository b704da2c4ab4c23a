"""A results file that was edited by hand is named in one line, and nothing is drawn from it."""

from __future__ import annotations

import json

import pytest

from reports.page.page import write_report

PERPLEXITY = "perplexity/pairs.json"
ANSWERS = "multiple_choice/few/pairs.json"
TIMES = "latency/engine/b1-p8/pairs.json"


def scaled(samples, key, factor):
    for sample in samples:
        sample[key] *= factor


def swapped(samples):
    samples[0], samples[1] = samples[1], samples[0]


def edit(path, change):
    """The file as a hand would leave it: the digest stays as it was."""
    data = json.loads(path.read_text())
    change(data["samples"])
    path.write_text(json.dumps(data))


EDITS = {
    "a loss below zero": (PERPLEXITY, lambda samples: samples[0].update(nll=-5.0), "nll"),
    "a loss that is no number": (
        PERPLEXITY,
        lambda samples: samples[0].update(nll=float("nan")),
        "nll",
    ),
    "all losses by ten": (PERPLEXITY, lambda samples: scaled(samples, "nll", 10), "digest"),
    "one loss by ten": (PERPLEXITY, lambda samples: scaled(samples[:1], "nll", 10), "digest"),
    "two windows swapped": (PERPLEXITY, swapped, "digest"),
    "no scored token": (PERPLEXITY, lambda samples: samples[0].update(tokens=0), "tokens"),
    "an accuracy of seven": (ANSWERS, lambda samples: samples[0].update(acc=7), "acc"),
    "a wrong answer made right": (
        ANSWERS,
        lambda samples: samples[0].update(acc=1 - samples[0]["acc"]),
        "acc: 1 does not follow from the log-likelihoods",
    ),
    "a likelihood above one": (
        ANSWERS,
        lambda s: s[0].update(loglikelihoods=[2.0, -1.0]),
        "loglikelihoods",
    ),
    "a step that takes no time": (TIMES, lambda samples: samples[0].__setitem__(1, 0.0), "samples"),
    "times by ten": (
        TIMES,
        lambda s: s[0].__setitem__(slice(None), [10 * t for t in s[0]]),
        "digest",
    ),
    "two rounds swapped": (TIMES, swapped, "digest"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_file_is_named_and_nothing_is_drawn(folder, tmp_path, name):
    path, change, fault = EDITS[name]
    edit(folder / path, change)
    with pytest.raises(ValueError, match="run again") as refused:
        write_report(folder, tmp_path / "out")
    (line,) = str(refused.value).splitlines()
    assert path in line
    assert fault in line
    assert not (tmp_path / "out").exists()


def test_unedited_files_are_read(folder, tmp_path):
    assert write_report(folder, tmp_path / "out").exists()

"""The box answers what its readers ask, from this run's numbers alone."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from made_up_results import MACHINE_STATE, MadeUpRun

from benchmarks.results.result_schema import write_result
from benchmarks.results.statistics import Estimate
from reports.answers import quality, time_saved, trust
from reports.answers.box import answers
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates


def asked(folder) -> dict[str, str]:
    """Question -> verdict and numbers."""
    results = load_results(folder)
    made = answers(results, Estimates(results))
    return {answer.question: f"{answer.verdict} {answer.numbers}" for answer in made}


def test_every_question_has_an_answer_with_numbers(folder):
    box = asked(folder)
    assert list(box)[:2] == [trust.QUESTION, time_saved.QUESTION]
    time = box[time_saved.QUESTION]
    # A step takes a second a layer, and half of that on two ranks.
    assert time.startswith("Yes on one device; yes on 2 ranks.")
    assert "On one device 2 of 2 grouped plans decode faster than dense" in time
    assert "Counting the prompt too, pairs is ×1.4" in time
    assert "Beside groups of the same depth, removal on one device is ×1.00" in time
    cost = box[quality.COST]
    assert cost.startswith("Perplexity ×1.4")
    assert "4 layers deep, pairs-d1: perplexity" in cost
    assert "and accuracy +0.0 [+0.0, +0.0] points" in cost
    assert box[quality.REMOVAL].startswith("By perplexity yes; by accuracy not decided.")
    assert "make heal" in box["What does healing bring back?"]


def test_a_run_without_times_says_so(tmp_path):
    box = asked(MadeUpRun(latency=None).fill(tmp_path))
    assert box[trust.QUESTION] == "Nothing was timed. "
    assert box[time_saved.QUESTION].startswith("Not measured.")


def test_a_run_without_groups_says_so(folder, tmp_path):
    made = MadeUpRun()
    variants = {name: made.variants[name] for name in ("dense", "removed")}
    box = asked(MadeUpRun(variants=variants).fill(tmp_path / "few"))
    for question in (time_saved.QUESTION, quality.COST, quality.REMOVAL):
        assert box[question].startswith("Not measured.")


def of_dense_again(folder, factor: float, **machine_state) -> dict[str, str]:
    """The box where the A/A control is slower by a factor, in a machine of that state."""
    made = MadeUpRun()
    for path in (folder / "latency").rglob("*.json"):
        name, backend = path.stem, path.parents[1].name
        result = made.latency_result(name, backend)
        slower = factor if name == "dense-control" else 1
        write_result(
            path,
            result.model_copy(
                update={
                    "samples": [[slower * step for step in steps] for steps in result.samples],
                    "machine_state": MACHINE_STATE.model_copy(update=machine_state),
                }
            ),
        )
    return asked(folder)


def test_times_are_not_trusted_where_dense_differs_from_itself(folder):
    assert of_dense_again(folder, 1.5)[trust.QUESTION].startswith("No: dense differs from itself.")


def test_a_busy_machine_comes_first(folder):
    answer = of_dense_again(folder, 1, other_cores_during=0.7)[trust.QUESTION]
    assert answer.startswith(
        "With care: the machine was busy. Other processes took 0.7 cores during the rounds."
    )


def test_what_would_not_show_is_said_in_words(folder):
    answer = of_dense_again(folder, 1)[trust.QUESTION]
    assert "Differences under these may not show" in answer
    assert "% (one device)" in answer


@pytest.mark.parametrize(
    ("share", "words"), [(0.184, "18 %"), (0.4, "40 %"), (11.4, "a factor of 12")]
)
def test_wide_intervals_are_factors(share, words):
    assert trust.difference_in_words(share) == words


def test_mixed_pairs_are_counted(folder):
    results = load_results(folder)
    estimates = Estimates(results)
    (pair,) = estimates.removal_pairs.to_dict("records")
    worse = pair | {"ratio": replace(pair["ratio"], value=0.5, low=0.4, high=0.6)}
    estimates.removal_pairs = pd.DataFrame([pair, worse])
    answer = quality.grouping_or_removal(results, estimates)
    assert answer.verdict.startswith("By perplexity better in 1, worse in 1 of 2 pairs")


def test_verdicts_need_whole_intervals():
    both = {"a": Estimate(1.2, 0.9, 1.4), "b": Estimate(0.8, 0.7, 0.9)}
    assert time_saved.yes_or_no(both) == "not shown"
    assert time_saved.yes_or_no({"b": both["b"]}) == "no"
    assert time_saved.yes_or_no(both | {"c": Estimate(1.2, 1.1, 1.4)}) == "yes"

"""What healing brings back, of made-up numbers that are easy to divide."""

from __future__ import annotations

import math

import pytest
from made_up_healing import HEALED, LOSSES, healed_run
from made_up_results import MadeUpRun, answer_again

from benchmarks.results.result_schema import read_result, write_result
from benchmarks.results.statistics import Estimate
from reports.answers import quality
from reports.answers.box import answers
from reports.data.load_results import load_results
from reports.estimates import comparisons, recovery
from reports.estimates.estimates import Estimates
from reports.estimates.pareto_front import pareto_points
from reports.estimates.rule_curves import rule_curves


@pytest.fixture
def folder(tmp_path):
    return healed_run().fill(tmp_path)


def recoveries(folder):
    return Estimates(load_results(folder)).recoveries.set_index("variant")


def change_losses(folder, name, change):
    """Adds `change(number of the window)` nats a token to the windows of each text."""
    path = folder / "perplexity" / f"{name}.json"
    result = read_result(path)
    samples = [
        sample.model_copy(update={"nll": sample.nll + sample.tokens * change(number)})
        for number, sample in enumerate(result.samples)
    ]
    write_result(path, result.model_copy(update={"samples": samples}))


def test_the_closed_share_is_that_of_the_log_perplexity(folder):
    """Grouping loses 0.5 nats; a refit leaves 0.25, LoRA 0.2, both 0.125."""
    closed = recoveries(folder)["closed"]
    shares = {name: share.value for name, share in closed.items()}
    assert shares == pytest.approx(
        {"p-ref": 0.5, "p-lor": 0.6, "p-two": 0.75, "p-ada": 0.8, "g-ref": 0.5, "g-lor": 0.625}
    )
    # The windows differ by as much in all three, so their spread cancels.
    assert closed["p-lor"].high - closed["p-lor"].low == pytest.approx(0)


def test_its_interval_draws_the_same_windows_for_all_three(folder):
    """Half of the windows close all of a gap of 0.5, the others nothing."""
    change_losses(folder, "p-ref", lambda number: 0.25 if number % 2 else -0.25)
    closed = recoveries(folder).loc["p-ref", "closed"]
    # Windows 1, 3 of a text of five keep the gap, and 0, 2, 4 of the other.
    assert closed.value == pytest.approx(0.5)
    assert 0 < closed.low < 0.3
    assert 0.7 < closed.high < 1


def test_perplexities_are_those_of_the_texts_that_heal(tmp_path):
    folder = healed_run(healing={"texts": ["wikipedia"]}).fill(tmp_path)
    # On the five windows of c4, which does not heal, the gap stays as it is.
    change_losses(folder, "p-ref", lambda number: 0.25 if number >= 5 else 0)
    row = recoveries(folder).loc["p-ref"]
    assert row["closed"].value == pytest.approx(0.5)
    assert row["closed_elsewhere"].value == pytest.approx(0)
    assert row["before"].value / row["after"].value == pytest.approx(math.exp(0.25))


def test_where_no_scored_text_heals_all_texts_count(tmp_path, folder):
    unscored = healed_run(healing={"texts": ["tinystories"]}).fill(tmp_path / "unscored")
    of_dataset = load_results(folder)
    of_dataset.config["healing"]["dataset"] = "own"
    for results in (load_results(unscored), of_dataset):
        assert recovery.healed_texts(results) == (["wikipedia", "c4"], [])


def test_a_gap_that_may_be_nothing_gives_no_share(tmp_path):
    folder = healed_run(losses=LOSSES | {"pairs": 3.0, "gone4": 2.5}).fill(tmp_path)
    rows = recoveries(folder)
    assert rows.loc["p-ref", "gap"].value == pytest.approx(0)
    assert math.isnan(rows.loc["p-ref", "closed"].value)
    # A plan that is better than dense lost nothing either.
    assert rows.loc["g-ref", "gap"].high < 0
    assert math.isnan(rows.loc["g-ref", "closed"].value)


def test_without_a_twin_there_is_no_share(tmp_path):
    variants = {name: made for name, made in HEALED.items() if name != "pairs"}
    row = recoveries(healed_run(variants=variants).fill(tmp_path)).loc["p-ref"]
    assert row["twin"] == ""
    for column in ("before", "gap", "closed", "accuracy_before", "accuracy_difference"):
        assert math.isnan(row[column].value)
    assert math.isnan(row["decode_ratio"].value)
    assert not math.isnan(row["after"].value)


def test_a_twin_that_was_not_measured_gives_no_number(folder):
    (folder / "perplexity" / "pairs.json").unlink()
    (folder / "multiple_choice" / "few" / "pairs.json").unlink()
    row = recoveries(folder).loc["p-ref"]
    assert row["twin"] == "pairs"
    assert math.isnan(row["closed"].value)
    assert math.isnan(row["accuracy_difference"].value)
    assert row["accuracy_after"].value > 0


def test_accuracies_are_paired_over_documents(folder):
    path = folder / "multiple_choice" / "few" / "p-ref.json"
    answer_again(path, lambda sample: (1, None) if sample.task.startswith("mmlu") else None)
    row = recoveries(folder).loc["p-ref"]
    # 4 of 10 become 10 of 10 in one of two tasks; the other has the same documents right.
    assert row["accuracy_difference"].value == pytest.approx(30)
    assert row["accuracy_after"].value - row["accuracy_before"].value == pytest.approx(30)


def test_time_is_that_of_the_twin(folder):
    assert recoveries(folder).loc["p-ref", "decode_ratio"] == Estimate(1.0, 1.0, 1.0)


def test_healed_pairs_share_depth_and_recipe(folder):
    pairs = Estimates(load_results(folder)).healed_removal.set_index("how")
    assert pairs[["grouped", "removal"]].to_numpy().tolist() == [
        ["p-ref", "g-ref"],
        ["p-lor", "g-lor"],
    ]
    assert pairs.loc["refit", "ratio"].value == pytest.approx(math.exp(0.75))
    assert pairs.loc["LoRA", "ratio"].value == pytest.approx(math.exp(0.55))
    assert pairs.loc["refit", "ratio_before"].value == pytest.approx(math.exp(1.5))
    assert pairs.loc["refit", "verdict"] == "higher"
    assert pairs.loc["refit", "accuracy_difference"].value == pytest.approx(0)


def test_ways_are_compared_at_equal_plan(folder):
    ways = Estimates(load_results(folder)).ways.set_index(["first", "second"])
    # Four ways for groups, two for removal.
    assert len(ways) == 6 + 1
    two = ways.loc[("p-ref", "p-two")]
    assert two["ratio"].value == pytest.approx(math.exp(-0.125))
    assert two["verdict"] == "lower"


def test_other_comparisons_are_of_unhealed_variants(folder, tmp_path):
    healed = load_results(folder)
    unhealed = {name: made for name, made in HEALED.items() if len(made) == 4 or name == "dense"}
    plain = load_results(MadeUpRun(unhealed, LOSSES).fill(tmp_path / "plain"))
    for compare in (
        comparisons.removal_at_same_depth,
        comparisons.removal_pairs,
        comparisons.searched_against_others,
        comparisons.bypass_modes,
    ):
        assert compare(healed).to_dict() == compare(plain).to_dict()
    assert rule_curves(healed) == rule_curves(plain)
    of_healed, of_plain = Estimates(healed), Estimates(plain)
    points, plain_points = (
        pareto_points(e.results, e.perplexities, e.latencies) for e in (of_healed, of_plain)
    )
    assert points.to_dict("records") == plain_points.to_dict("records")


def test_the_box_names_unhealed_variants_before_healing(folder):
    estimates = Estimates(load_results(folder))
    box = {answer.question: answer for answer in answers(estimates.results, estimates)}
    assert "p-ref" not in box[quality.COST].numbers
    assert "p-ref" not in box[quality.REMOVAL].numbers
    assert box["What does healing bring back?"].verdict.startswith("Healing brings back")

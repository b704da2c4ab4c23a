"""Perplexity and accuracy of made-up results, paired with dense."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_results import answer_again
from rendered_page import rendered_page

from benchmarks.results.statistics import Estimate
from reports.data.load_results import load_results
from reports.estimates import quality


def accuracies(folder):
    return quality.accuracies(load_results(folder)).set_index(["variant", "task"])


def test_a_variant_against_itself_is_exactly_one_without_width(folder):
    results = load_results(folder)
    assert quality.perplexity_ratio(results, "pairs", "pairs") == Estimate(1.0, 1.0, 1.0)


def test_subjects_of_mmlu_are_one_task_weighted_by_documents(folder):
    row = accuracies(folder).loc[("dense", "mmlu")]
    # law: 0 of 1, art: 4 of 9; a mean of subjects would give 0.22.
    assert row["documents"] == 10
    assert row["acc"] == pytest.approx(0.4)
    assert math.isnan(row["acc_norm"])
    assert row["headline"].value == pytest.approx(0.4)


def test_length_normalised_accuracy_is_the_headline_where_there_is_one(folder):
    row = accuracies(folder).loc[("dense", "sciq")]
    assert row["headline"].value == pytest.approx(2 / 6)
    assert row["acc"] == pytest.approx(3 / 6)


def test_discordant_documents_are_counted_against_dense(folder):
    path = folder / "multiple_choice" / "few" / "pairs.json"
    answer_again(path, lambda sample: (1, None) if sample.task.startswith("mmlu") else None)
    rows = accuracies(folder)
    changed = rows.loc[("pairs", "mmlu")]
    # Dense has 4 of 10 right, so 6 are right here alone; two-sided: 2 / 2**6.
    assert (changed["only_variant"], changed["only_dense"]) == (6, 0)
    assert changed["p_value"] == pytest.approx(2 / 64)
    assert rows.loc[("pairs", "sciq")]["p_value"] == 1
    assert np.isnan(rows.loc[("dense", "mmlu")]["p_value"])
    page = rendered_page(folder)
    assert "6 / 0" in page
    assert "0.031" in page

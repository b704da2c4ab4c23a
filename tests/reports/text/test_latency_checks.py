"""Sentences that tell whether times can be trusted."""

from __future__ import annotations

import pytest
from changed_latency import change_latency, scaled_samples
from made_up_results import MACHINE_STATE, MadeUpRun
from rendered_page import rendered_page

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.tables.latency import latency_table
from reports.text.latency_checks import checks


def findings(folder):
    results = load_results(folder)
    return dict(checks(results))


def test_dense_twice_is_no_difference(folder):
    by_what = findings(folder)
    assert by_what["A/A check, one device"].endswith("not told apart, as it should be.")
    assert by_what["Rounds"] == "4 rounds, as many as were allowed."
    machine = by_what["The machine"]
    assert machine.startswith("others took 4 % of a core meanwhile. Before: load 0.50")


def test_dense_that_differs_from_itself_is_a_warning_on_the_page(folder):
    change_latency(folder, "dense-control", samples=scaled_samples("dense", [1.1] * 4))
    assert "Warning: dense differs from itself (prefill, decode" in str(findings(folder))
    assert "Warning: dense differs from itself" in rendered_page(folder)
    results = load_results(folder)
    estimates = Estimates(results)
    shown = latency_table(results, estimates.latencies, estimates.qualities).shown
    row = shown.set_index(["variant", "runs"]).loc[("dense-control", "one device")]
    assert row["decode / dense"].startswith("×1.10 [")


@pytest.mark.parametrize(
    ("stop_reason", "text"),
    [
        ("precision", "4 rounds, until every interval of a ratio to dense was narrower than 5 %"),
        ("budget", "4 rounds, when the budget of 9.5 s was over; not every interval"),
        ("rounds", "4 rounds, as many as were allowed; not every interval is as narrow"),
    ],
)
def test_the_page_says_why_rounds_ended(folder, stop_reason, text):
    workload = MadeUpRun().latency_result("dense").workload | {"precision": 0.05, "budget_s": 9.5}
    change_latency(folder, "dense", stop_reason=stop_reason, workload=workload)
    assert findings(folder)["Rounds"].startswith(text)


def test_warnings_of_the_machine_reach_the_page(folder):
    loud = MACHINE_STATE.model_copy(update={"warnings": ["others were loud"]})
    change_latency(folder, "dense", machine_state=loud)
    assert "Warning: others were loud." in findings(folder)["The machine"]

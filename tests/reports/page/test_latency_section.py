"""What the report says of times: beside quality, with marks, and whether they can be trusted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from made_up_results import LATENCY, MACHINE_STATE, VARIANTS, MadeUpRun

from benchmarks.results.measurements import write_result
from reports.data.load_results import load_results
from reports.estimates import quality
from reports.estimates.latency import latency_estimates
from reports.figures import decode_latency
from reports.figures.style import paper
from reports.page.page import write_report
from reports.tables import latency
from reports.text import latency_checks

WORK = "b1-p8"


def parts(folder):
    """Results, latencies and qualities of a folder."""
    results = load_results(folder)
    quality = latency.qualities(results, quality.perplexities(results), quality.accuracies(results))
    return results, latency_estimates(results), quality


def table(folder):
    found = latency.latency_table(*parts(folder))
    return found, found.shown.set_index(["variant", "runs"])


def rewritten(folder, name, path="engine", **changes):
    """Changes one result file."""
    result = MadeUpRun().latency_result(name, path).model_copy(update=changes)
    write_result(folder / "latency" / path / WORK / f"{name}.json", result)


def scaled(name, factors):
    """The samples of a variant with each round slowed by its factor."""
    samples = MadeUpRun().latency_result(name).samples
    pairs = zip(factors, samples, strict=True)
    return [[factor * seconds for seconds in steps] for factor, steps in pairs]


def test_table_holds_every_path(folder):
    found, shown = table(folder)
    assert "2 ranks: processes of 1 thread each, linked by gloo." in found.note
    assert shown.loc[("pairs", "one device"), "decode / dense"].startswith("×0.675 [")
    assert shown.loc[("pairs", "2 ranks"), "decode / dense"].startswith("×0.350 [")
    generate = shown.loc[("dense", "generate of Transformers")]
    assert generate["decode (TPOT), ms/token"].startswith("1.2e4 [")
    assert generate["decode / dense"].startswith("×1.98 [")
    assert shown.loc[("dense", "one device"), "decode / dense"] == "×1.00"
    assert "workload" not in shown


def test_end_to_end_is_the_prefill_and_all_steps_of_a_round(folder):
    rows = latency_estimates(load_results(folder)).set_index(["variant", "backend", "phase"])
    # Rounds 0 to 3 take 6.0, 6.1, 6.2, 6.3 seconds a step, and a round has four steps.
    end = rows.loc[("dense", "engine", "end to end")]
    assert end["milliseconds"].value == pytest.approx(4 * 6150)
    assert rows.loc[("dense", "engine", "prefill")]["milliseconds"].value == pytest.approx(6150)


def test_times_stand_beside_what_they_cost(folder):
    found, shown = table(folder)
    pairs = shown.loc[("pairs", "2 ranks")]
    assert pairs["perplexity / dense"].startswith("×1.65 [")
    assert pairs["accuracy − dense, points"].startswith("+0.0 [")
    assert shown.loc[("dense", "one device"), "perplexity / dense"] == "×1.00"
    assert not found.data["perplexity_ratio"].isna().any()


def test_a_variant_without_accuracy_is_marked_and_hollow(folder):
    for path in (
        folder / "perplexity" / "pairs.json",
        folder / "multiple_choice" / "few" / "pairs.json",
    ):
        path.unlink()
    _, shown = table(folder)
    assert shown.loc[("pairs", "one device"), "perplexity / dense"] == "no accuracy"
    assert shown.loc[("removed", "one device"), "perplexity / dense"].startswith("×")
    with paper():
        (axes,) = decode_latency.latency_figure(*parts(folder)).axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert "pairs (no accuracy)" in labels
    assert labels.count("removed") == 1
    row = labels.index("pairs (no accuracy)")
    fills = {
        round(line.get_ydata()[0]): line.get_fillstyle()
        for line in axes.lines
        if line.get_marker() in ("o", "s")
    }
    assert fills[row] == "none"
    assert set(fills.values()) == {"none", "full"}


def test_a_path_that_was_skipped_says_so(folder):
    rewritten(
        folder, "pairs", "ranks-2", status="skipped", reason="ranks: 2, but one core", samples=[]
    )
    _, shown = table(folder)
    assert shown.loc[("pairs", "2 ranks"), "decode (TPOT), ms/token"] == "skipped"
    assert shown.loc[("pairs", "one device"), "decode / dense"].startswith("×0.675 [")
    assert "ranks: 2, but one core" in write_report(folder, folder / "out").read_text()


def grid(folder):
    """A second workload, and a mode that was skipped throughout."""
    latency = LATENCY | {"batch": [1, 2], "modes": ["eager", "cuda_graph"]}
    MadeUpRun(latency=latency).fill(folder)
    for mode in (folder / "latency").glob("*-cuda_graph"):
        shutil.rmtree(mode)
    return folder


def test_every_workload_is_shown_and_a_mode_without_numbers_is_not(folder):
    _, shown = table(grid(folder))
    assert set(shown["workload"]) == {"b1-p8", "b2-p8"}
    assert len(shown) == 2 * (6 + 5 + 1)
    assert not [runs for _, runs in shown.index if "cuda_graph" in runs]
    with paper():
        figure = decode_latency.latency_figure(*parts(folder))
    assert [axes.get_title(loc="right") for axes in figure.axes] == ["b1-p8", "b2-p8"]
    page = write_report(folder, folder / "out").read_text()
    assert "latency/engine-cuda_graph/b1-p8" in page
    assert "batch 1 or 2" in page


def test_a_mode_is_compared_with_dense_in_that_mode(folder):
    """Here graphs take a third of the eager time, whatever the variant."""
    grid(folder)
    for name in ("dense", "pairs"):
        result = MadeUpRun().latency_result(name, "engine-cuda_graph")
        samples = [[seconds / 3 for seconds in steps] for steps in result.samples]
        path = folder / "latency" / "engine-cuda_graph" / WORK / f"{name}.json"
        write_result(path, result.model_copy(update={"samples": samples}))
    rows = latency_estimates(load_results(folder)).set_index(
        ["variant", "backend", "workload", "phase"]
    )
    ratios = rows["ratio"].xs((WORK, "decode"), level=["workload", "phase"])
    assert ratios["dense", "engine-cuda_graph"].value == 1
    assert ratios["pairs", "engine-cuda_graph"].value == ratios["pairs", "engine"].value
    _, shown = table(folder)
    assert shown.loc[("removed", "one device, in a CUDA graph"), "decode / dense"] == "missing"


def test_a_result_of_another_workload_is_refused(folder):
    other = MadeUpRun().latency_result("pairs", workload="b2-p8")
    write_result(folder / "latency" / "engine" / WORK / "pairs.json", other)
    with pytest.raises(ValueError, match=r"pairs\.json: measured as latency/engine/b2-p8; delete"):
        load_results(folder)


def findings(folder):
    results, rows, _ = parts(folder)
    return dict(latency_checks.checks(results, rows))


def test_dense_twice_is_no_difference(folder):
    found = findings(folder)
    assert found["A/A check, one device"].endswith("no difference, as it must be.")
    assert found["Rounds"] == "4 rounds, as many as were allowed."
    assert found["The machine"].startswith("others took 4 % of a core meanwhile. Before: load 0.50")


def test_dense_that_differs_from_itself_is_a_warning_on_the_page(folder):
    rewritten(folder, "dense-control", samples=scaled("dense", [1.1] * 4))
    assert "Warning: dense differs from itself (prefill, decode" in str(findings(folder))
    assert "Warning: dense differs from itself" in write_report(folder, folder / "o").read_text()
    _, shown = table(folder)
    assert shown.loc[("dense-control", "one device"), "decode / dense"].startswith("×1.10 [")


@pytest.mark.parametrize(
    ("stop_reason", "text"),
    [
        ("precision", "4 rounds, until every interval of a ratio to dense was narrower than 5 %"),
        ("budget", "4 rounds, when the budget of 9.5 s was over; not every interval"),
        ("rounds", "4 rounds, as many as were allowed; not every interval is as narrow"),
    ],
)
def test_the_page_says_why_rounds_ended(folder, stopped, text):
    workload = MadeUpRun().latency_result("dense").workload | {"precision": 0.05, "budget_s": 9.5}
    rewritten(folder, "dense", stopped=stopped, workload=workload)
    assert findings(folder)["Rounds"].startswith(text)


def test_warnings_of_the_machine_reach_the_page(folder):
    loud = MACHINE_STATE.model_copy(update={"warnings": ["others were loud"]})
    rewritten(folder, "dense", machine_state=loud)
    assert "Warning: others were loud." in findings(folder)["The machine"]


def test_marks_stand_behind_the_time(folder):
    """Nine rounds, every other one slower by half: two modes."""
    first = MadeUpRun().latency_result("pairs").samples[0]
    samples = [
        [seconds * (1.5 if number % 2 else 1 + number / 1000) for seconds in first]
        for number in range(9)
    ]
    twin = [[1 + number % 3 / 100] * len(first) for number in range(9)]
    for name in VARIANTS:
        rewritten(folder, name, samples=samples if name == "pairs" else twin)
    rewritten(folder, "dense-control", samples=twin)
    _, shown = table(folder)
    assert shown.loc[("pairs", "one device"), "decode (TPOT), ms/token"].endswith("] †")
    assert shown.loc[("removed", "one device"), "decode (TPOT), ms/token"].endswith("]")


def test_discordant_documents_are_counted_against_dense(folder):
    place = folder / "multiple_choice" / "few" / "pairs.json"
    data = json.loads(place.read_text())
    for sample in data["samples"]:
        if sample["task"].startswith("mmlu"):
            sample["acc"] = 1.0
    place.write_text(json.dumps(data))
    rows = quality.accuracies(load_results(folder)).set_index(["variant", "task"])
    changed = rows.loc[("pairs", "mmlu")]
    # Dense has 4 of 10 right, so 6 are right here alone; two-sided: 2 / 2**6.
    assert (changed["only_variant"], changed["only_dense"]) == (6, 0)
    assert changed["p_value"] == pytest.approx(2 / 64)
    assert rows.loc[("pairs", "sciq")]["p_value"] == 1
    assert np.isnan(rows.loc[("dense", "mmlu")]["p_value"])
    page = write_report(folder, folder / "out").read_text()
    assert "6 / 0" in page
    assert "0.031" in page

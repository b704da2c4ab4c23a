"""What a results folder holds in memory, and which files are refused."""

from __future__ import annotations

import pytest
from made_up_results import MODEL, VARIANTS, MadeUpRun, write_json

from benchmarks.results.files import read_json
from benchmarks.results.result_schema import write_result
from reports.data.load_results import load_results
from reports.data.results import plan_of


def test_backends_and_workloads_are_those_of_the_run(folder):
    results = load_results(folder)
    assert list(results.backends) == ["engine", "ranks-2", "transformers"]
    assert results.workloads == ["b1-p8"]
    assert results.timed_variants("engine") == set(VARIANTS) | {"dense-control"}
    assert results.timed_variants("ranks-2") == set(VARIANTS) | {"dense-control"}
    assert results.timed_variants("transformers") == {"dense"}
    assert plan_of("dense-control") == "dense"
    assert plan_of("pairs") == "pairs"


def test_a_variant_has_the_look_of_its_method(folder):
    look = load_results(folder).variants["removed"].look
    assert look.label == "ShortGPT removal"


def test_what_failed_is_missing_and_not_measured(folder):
    failed = {"status": "failed", "reason": "out of memory", "samples": []}
    result = MadeUpRun().latency_result("pairs").model_copy(update=failed)
    write_result(folder / "latency" / "engine" / "b1-p8" / "pairs.json", result)
    (folder / "multiple_choice" / "few" / "removed.json").unlink()
    results = load_results(folder)
    assert sorted(results.missing.to_numpy().tolist()) == [
        ["few", "removed", "missing", "there is no result file"],
        ["latency/engine/b1-p8", "pairs", "failed", "out of memory"],
    ]
    assert len(results.measured) == len(results.records) - 1
    assert "failed" not in {record.status for record in results.latency_records}


def change(folder, name, **changes):
    write_json(folder / name, read_json(folder / name) | changes)


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        ("run.json", {"schema_version": 1}, r"run\.json: schema_version: .*run the workflow again"),
        (
            "perplexity/pairs.json",
            {"surprise": 1},
            r"pairs\.json: does not follow the schema, perplexity\.surprise: .*run again",
        ),
        (
            "variants/pairs.json",
            {"model": {"name": "x", "sha256": "y", "num_layers": 6, "note": ""}},
            r"pairs\.json: of another model than the others; run the workflow again",
        ),
    ],
)
def test_a_file_that_does_not_belong_is_one_line(folder, name, changes, fault):
    change(folder, name, **changes)
    with pytest.raises(ValueError, match=rf"\A[^\n]*{fault}\Z"):
        load_results(folder)


def test_a_result_of_other_weights_is_refused(folder):
    other = {"model": MODEL.model_copy(update={"sha256": "y"})}
    result = MadeUpRun().perplexity_result("pairs").model_copy(update=other)
    write_result(folder / "perplexity" / "pairs.json", result)
    fault = r"pairs\.json: measured on other weights; delete it and run again"
    with pytest.raises(ValueError, match=fault):
        load_results(folder)


def test_a_result_of_another_kind_is_refused(folder):
    write_result(folder / "perplexity" / "pairs.json", MadeUpRun().multiple_choice_result("pairs"))
    with pytest.raises(ValueError, match="holds multiple_choice where perplexity belongs"):
        load_results(folder)


def test_half_a_file_is_one_line(folder):
    (folder / "variants" / "pairs.json").write_text("{")
    with pytest.raises(ValueError, match=r"pairs\.json: is not JSON; delete it"):
        load_results(folder)

"""Results that are compared must belong together."""

from __future__ import annotations

import pytest
from changed_latency import WORKLOAD, change_latency
from made_up_results import LAYERS, MadeUpRun

from benchmarks.results.result_schema import write_result
from cqil.plan import dense_plan
from reports.data.load_results import load_results


def test_other_documents_are_refused(folder):
    other = MadeUpRun().perplexity_result("pairs", documents=4)
    write_result(folder / "perplexity" / "pairs.json", other)
    with pytest.raises(ValueError, match=r"pairs\.json: documents differ from those of dense"):
        load_results(folder)


def test_another_session_is_refused(folder):
    change_latency(folder, "pairs", session="other")
    with pytest.raises(ValueError, match=r"pairs\.json: session differ"):
        load_results(folder)


def test_another_session_of_another_backend_is_refused(folder):
    change_latency(folder, "pairs", "ranks-2", session="other")
    with pytest.raises(ValueError, match=r"ranks-2/b1-p8/pairs\.json: session differ"):
        load_results(folder)


def test_a_result_of_another_backend_is_refused(folder):
    other = MadeUpRun().latency_result("pairs")
    write_result(folder / "latency" / "ranks-2" / WORKLOAD / "pairs.json", other)
    with pytest.raises(ValueError, match=r"ranks-2/b1-p8/pairs\.json: measured as latency/engine/"):
        load_results(folder)


def test_a_result_of_another_workload_is_refused(folder):
    other = MadeUpRun().latency_result("pairs", workload="b2-p8")
    write_result(folder / "latency" / "engine" / WORKLOAD / "pairs.json", other)
    with pytest.raises(ValueError, match=r"pairs\.json: measured as latency/engine/b2-p8; delete"):
        load_results(folder)


def test_a_result_of_another_plan_is_refused(folder):
    plan = dense_plan(LAYERS).to_dict()
    stale = MadeUpRun().perplexity_result("pairs").model_copy(update={"plan": plan})
    write_result(folder / "perplexity" / "pairs.json", stale)
    with pytest.raises(ValueError, match=r"pairs\.json: measured with another plan"):
        load_results(folder)


@pytest.mark.parametrize("gone", ["run.json", "variants/pairs.json"])
def test_a_missing_file_is_one_line(folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ValueError, match=rf"{gone}: not found; .*run") as caught:
        load_results(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_results_is_refused(folder):
    for kind in ("perplexity/*", "multiple_choice/*/*", "latency/*/*/*"):
        for path in folder.glob(kind):
            path.unlink()
    with pytest.raises(ValueError, match="holds no results"):
        load_results(folder)


def test_a_file_that_is_no_bench_is_refused(folder):
    (folder / "bench.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bench\.json: holds no bench"):
        load_results(folder)

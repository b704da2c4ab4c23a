"""Checks on the claim's own model, on results made up for them."""

from decimal import Decimal

import pytest
from judged_claims import CLAIMS, GROUPS, PAIRS, timed, verdict
from made_up_healing import healed_run

from benchmarks.results.files import read_json, write_json
from reports.claims.checks import judge
from reports.claims.evidence import ClaimEvidence
from reports.claims.verdicts import Verdict
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates

SCORED = 6
"""Rows of SciQ in the made-up results."""


def accuracy_claim(
    folder,
    low,
    model="tiny",
    tasks=None,
    split="validation",
    documents=SCORED,
    harness="0.4.1",
    slug="dense",
    adapter=None,
):
    claim = CLAIMS["cqil-readme-original"].model_copy(
        update={
            "values": {
                "SciQ": CLAIMS["cqil-readme-original"]
                .quantities()["SciQ"]
                .model_copy(update={"number": Decimal(low)})
            },
            "given": {
                "model": model,
                "slug": slug,
                "adapter": adapter,
                "tasks": tasks or {"SciQ": "sciq"},
                "splits": {"SciQ": split},
                "documents": {"SciQ": documents},
                "harness": harness,
            },
        }
    )
    return judge(claim, ClaimEvidence(Estimates(load_results(folder)), CLAIMS))


def test_accuracy_of_the_claims_own_model(folder):
    finding = accuracy_claim(folder, "33.3")
    assert finding.verdict == Verdict.REPRODUCED
    assert "SciQ 33.3 [" in finding.sentence
    assert accuracy_claim(folder, "99.9").verdict == Verdict.NOT_REPRODUCED
    assert "this run is of tiny" in accuracy_claim(folder, "33.3", model="other").sentence
    assert accuracy_claim(folder, "33.3", tasks={"SciQ": "piqa"}).verdict == Verdict.NOT_TESTED


def test_a_healed_claim_is_of_the_released_adapter_alone(tmp_path):
    folder = healed_run().fill(tmp_path)
    finding = accuracy_claim(folder, "33.3", slug=PAIRS.slug, adapter="of-others")
    assert finding.verdict == Verdict.REPRODUCED
    assert finding.sentence.startswith("p-ada,")
    assert accuracy_claim(folder, "33.3", slug=PAIRS.slug).sentence.startswith("pairs,")
    other = accuracy_claim(folder, "33.3", slug=PAIRS.slug, adapter="released")
    assert other.sentence.startswith(f"Needs {PAIRS.slug} with released of tiny")


def test_a_local_folder_is_what_the_run_declares(folder):
    assert accuracy_claim(folder, "33.3", model="owner/tiny").verdict == Verdict.NOT_TESTED
    run = read_json(folder / "run.json")
    run["config"]["model_identity"] = "owner/tiny"
    write_json(folder / "run.json", run)
    assert accuracy_claim(folder, "33.3", model="owner/tiny").verdict == Verdict.REPRODUCED


@pytest.mark.parametrize("other", [{"split": "test"}, {"documents": 1000}])
def test_other_rows_of_a_task_are_another_experiment(folder, other):
    finding = accuracy_claim(folder, "33.3", **other)
    assert finding.verdict == Verdict.NOT_TESTED
    assert f"this run scored {SCORED} validation rows" in finding.sentence


def test_another_harness_is_another_experiment(folder):
    assert "lm-eval 0.4." in accuracy_claim(folder, "33.3").sentence
    finding = accuracy_claim(folder, "33.3", harness="0.3.0")
    assert finding.verdict == Verdict.NOT_TESTED
    assert "lm-eval 0.3.0; this run scored with 0.4." in finding.sentence


def test_latency_cut_of_the_claims_own_model(results):
    folder = results(GROUPS, (4,))
    given = {"model": "tiny", "slug": PAIRS.slug, "ranks": 2, "hardware": "Imaginary"}
    timed(folder, "dense", "engine", 1000)
    timed(folder, "groups", "ranks-2", 738)
    assert verdict(folder, "cqil-readme-p2-latency", **given).verdict == Verdict.REPRODUCED
    timed(folder, "groups", "ranks-2", 500)
    assert verdict(folder, "cqil-readme-p2-latency", **given).verdict == Verdict.NOT_REPRODUCED
    elsewhere = verdict(folder, "cqil-readme-p2-latency", **given | {"hardware": "A100"})
    assert elsewhere.verdict == Verdict.NOT_TESTED
    assert "taken on Imaginary CPU" in elsewhere.sentence
    assert (
        verdict(folder, "cqil-readme-p2-latency", **given | {"ranks": 4}).verdict
        == Verdict.NOT_TESTED
    )
    for other in ({"batch": 2}, {"prompt_tokens": [500, 520]}):
        finding = verdict(folder, "cqil-readme-p2-latency", **given | other)
        assert finding.verdict == Verdict.NOT_TESTED
        assert "this run timed 8 tokens, batch 1" in finding.sentence

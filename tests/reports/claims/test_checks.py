"""Every check that reads results gives each of its verdicts, on results made up for it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from judged_claims import CLAIMS, GROUPS, timed, verdict
from made_up_healing import refit
from made_up_results import LAYERS, answer_again, write_json

from cqil.plan import kept_layers_plan, uniform_plan
from reports.claims.checks import judge
from reports.claims.evidence import ClaimEvidence, committed_benches
from reports.claims.verdicts import Verdict
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates

CONFIRMED, CONTRADICTED = Verdict.CONFIRMED, Verdict.CONTRADICTED
UNDECIDED, NOT_TESTED = Verdict.UNDECIDED, Verdict.NOT_TESTED
KEPT = kept_layers_plan(LAYERS, [0, 1, 2, 5])


def bypassed(target, method="uniform", family="cqil"):
    return (family, method, {}, uniform_plan(LAYERS, 2, 6, 2, 1, target))


REMOVED = {"one": ("removal", "shortgpt", {}, KEPT), "two": ("removal", "laco", {}, KEPT)}
NOTEBOOK = {"three": ("removal", "laco", {"rule": "notebook"}, KEPT)}
SKIPPING = (
    "skipping",
    "unified",
    {"rule": "code", "speedup": 2},
    kept_layers_plan(LAYERS, [0, 2, 5], prompt_dense=True),
)


@pytest.mark.parametrize(
    ("claim", "variants", "losses", "expected"),
    [
        ("cqil-beats-removal", GROUPS | REMOVED, (4, 5, 6), CONFIRMED),
        ("cqil-beats-removal", GROUPS | REMOVED, (6, 5, 4), CONTRADICTED),
        ("cqil-beats-removal", GROUPS | REMOVED, (5, 4, 6), UNDECIDED),
        ("cqil-beats-removal", GROUPS, (4,), NOT_TESTED),
        ("cqil-bypass-helps", GROUPS | {"d1": bypassed("ffn")}, (4, 3.5), CONFIRMED),
        ("cqil-bypass-helps", GROUPS | {"d1": bypassed("ffn")}, (4, 4.5), CONTRADICTED),
        ("cqil-bypass-helps", GROUPS | {"bypas": bypassed("ffn")}, (4, 4), UNDECIDED),
        ("cqil-bypass-helps", {"d1": bypassed("ffn")}, (4,), NOT_TESTED),
        (
            "cqil-double-count-harms",
            {"d1": bypassed("ffn"), "twice": bypassed("ffn+residual")},
            (4, 5),
            CONFIRMED,
        ),
        (
            "cqil-double-count-harms",
            {"d1": bypassed("ffn"), "twice": bypassed("ffn+residual")},
            (4, 3.5),
            CONTRADICTED,
        ),
        (
            "cqil-double-count-below-none",
            GROUPS | {"twice": bypassed("ffn+residual")},
            (4, 5),
            CONFIRMED,
        ),
        (
            "lp-two-way-helps",
            GROUPS | {"lp": bypassed("two-way", "layer-parallel", "reordering")},
            (4, 3.5),
            CONFIRMED,
        ),
        (
            "lp-two-way-helps",
            GROUPS | {"lp": bypassed("two-way", "layer-parallel", "reordering")},
            (4, 5),
            CONTRADICTED,
        ),
        ("removal-order-shortgpt-laco", REMOVED, (4, 5), CONFIRMED),
        ("removal-order-shortgpt-laco", REMOVED, (5, 4), CONTRADICTED),
        ("removal-order-shortgpt-laco", REMOVED, (4, 4), UNDECIDED),
        ("laco-notebook", REMOVED | NOTEBOOK, (4, 4, 5), CONFIRMED),
        ("laco-notebook", REMOVED | NOTEBOOK, (4, 5, 4), CONFIRMED),
        ("laco-notebook", REMOVED, (4, 5), NOT_TESTED),
        ("uls-collapses", {"skip": SKIPPING}, (9,), CONFIRMED),
        ("uls-collapses", {"skip": SKIPPING}, (4,), CONTRADICTED),
        ("uls-collapses", GROUPS, (9,), NOT_TESTED),
    ],
)
def test_directions_of_quality(results, claim, variants, losses, expected):
    folder = results(variants, losses)
    shutil.rmtree(folder / "multiple_choice")
    finding = verdict(folder, claim)
    assert finding.verdict == expected, finding.sentence
    if expected == NOT_TESTED:
        assert finding.sentence.startswith("Needs ")
    else:
        assert "[" in finding.sentence
        assert "tiny (6 layers) on Imaginary CPU; device cpu" in finding.sentence


def test_groups_that_lose_less_by_perplexity_alone_decide_nothing(results):
    folder = results(GROUPS | {"one": REMOVED["one"]}, (4, 5))
    finding = verdict(folder, "cqil-beats-removal")
    assert finding.verdict == UNDECIDED
    assert "(1 of 2 as claimed)" in finding.sentence
    assert "groups − one in accuracy +0.0" in finding.sentence
    wrong_everywhere(folder, "one")
    assert verdict(folder, "cqil-beats-removal").verdict == CONFIRMED


def test_laco_rules_that_agree_decide_nothing(results):
    folder = results(
        {
            "one": ("removal", "laco", {}, KEPT),
            "two": ("removal", "laco", {"rule": "notebook"}, KEPT),
        },
        (4, 4),
    )
    assert verdict(folder, "laco-notebook").verdict == UNDECIDED


def wrong_everywhere(folder, name):
    path = folder / "multiple_choice" / "few" / f"{name}.json"
    answer_again(path, lambda sample: (0, None if sample.acc_norm is None else 0))


def test_accuracy_kept(results):
    folder = results({"lp": bypassed("two-way", "layer-parallel", "reordering")}, (4,))
    assert verdict(folder, "lp-keeps-accuracy").verdict == NOT_TESTED
    assert verdict(folder, "lp-keeps-accuracy", speedup=2).verdict == CONFIRMED
    assert verdict(folder, "lp-keeps-accuracy", speedup=2, share=1).verdict == UNDECIDED
    wrong_everywhere(folder, "lp")
    finding = verdict(folder, "lp-keeps-accuracy", speedup=2)
    assert finding.verdict == CONTRADICTED
    assert "lp keeps 0.0 [" in finding.sentence


@pytest.mark.parametrize(
    ("seconds", "expected"), [(4, CONFIRMED), (2, CONTRADICTED), (3, UNDECIDED)]
)
def test_realised_speedup(results, seconds, expected):
    folder = results({"skip": SKIPPING}, (9,))
    timed(folder, "dense", "engine", 6)
    timed(folder, "skip", "engine", seconds)
    finding = verdict(folder, "uls-realised-below-requested")
    assert finding.verdict == expected
    assert f"requested ×2, realised ×{6 / seconds:.2f}" in finding.sentence


def test_realised_speedup_needs_latencies(results):
    folder = results({"skip": SKIPPING}, (9,))
    (folder / "latency" / "engine" / "b1-p8" / "dense.json").unlink()
    assert verdict(folder, "uls-realised-below-requested").verdict == NOT_TESTED


@pytest.mark.parametrize(
    ("seconds", "alone", "expected"),
    [
        (2, 2.5, CONFIRMED),
        (4, 2.5, CONTRADICTED),
        (3, 4, UNDECIDED),
        # Faster than tensor parallelism, and slower than dense on one device: nothing is gained.
        (2, 1.5, UNDECIDED),
    ],
)
def test_groups_against_tensor_parallel(results, seconds, alone, expected):
    folder = results(GROUPS, (4,))
    timed(folder, "dense", "engine", alone)
    timed(folder, "dense", "ranks-2", 3)
    timed(folder, "groups", "ranks-2", seconds)
    finding = verdict(folder, "cqil-beside-tensor-parallel")
    assert finding.verdict == expected
    assert "2 ranks of 1 of 4 threads" in finding.sentence
    assert verdict(folder, "cqil-within-tensor-parallel").verdict == NOT_TESTED
    assert (
        verdict(folder, "cqil-beside-tensor-parallel", tensor_parallel_size=2).verdict == NOT_TESTED
    )


def test_a_slow_base_inflates_the_cut(results):
    folder = results(GROUPS, (4,))
    for backend, seconds in (("engine", 5), ("transformers", 10)):
        timed(folder, "dense", backend, seconds)
    timed(folder, "groups", "engine", 4)
    finding = verdict(folder, "cqil-latency-base")
    assert finding.verdict == CONFIRMED
    assert "groups cuts 60.0 [60.0, 60.0] % of the slow base and 20.0" in finding.sentence
    timed(folder, "dense", "transformers", 4)
    assert verdict(folder, "cqil-latency-base").verdict == CONTRADICTED
    timed(folder, "dense", "transformers", 5)
    assert verdict(folder, "cqil-latency-base").verdict == UNDECIDED
    (folder / "latency" / "transformers" / "b1-p8" / "dense.json").unlink()
    assert verdict(folder, "cqil-latency-base").verdict == NOT_TESTED


def test_committed_benches_are_compared_system_by_system(results):
    loaded, benches = load_results(results(GROUPS, (4,))), committed_benches()
    claim = CLAIMS["slow-links-favour-groups"]
    finding = judge(claim, ClaimEvidence(Estimates(loaded), CLAIMS, benches))
    assert finding.verdict == CONFIRMED
    assert "benchmarks/history/2026" in finding.sentence
    back = claim.model_copy(update={"given": {"systems": claim.given["systems"][::-1]}})
    assert judge(back, ClaimEvidence(Estimates(loaded), CLAIMS, benches)).verdict == CONTRADICTED
    mixed = claim.model_copy(
        update={"given": {"systems": ["cqil-p2", "tp2", "tp2-layer-parallel"]}}
    )
    assert judge(mixed, ClaimEvidence(Estimates(loaded), CLAIMS, benches)).verdict == UNDECIDED
    assert judge(claim, ClaimEvidence(Estimates(loaded), CLAIMS)).verdict == NOT_TESTED


def cosines(neighbours):
    matrix = np.eye(LAYERS + 1)
    matrix[np.arange(LAYERS), np.arange(1, LAYERS + 1)] = neighbours
    return {"cosine": matrix.tolist(), "angular_last": matrix.tolist()}


@pytest.mark.parametrize(
    ("neighbours", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], CONFIRMED),
        ([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], CONTRADICTED),
        ([0.1, 0.6, 0.2, 0.5, 0.3, 0.4], UNDECIDED),
        ([0.5] * 6, UNDECIDED),
    ],
)
def test_similarity_by_depth(folder, neighbours, expected):
    write_json(folder / "similarity.json", cosines(neighbours))
    assert verdict(folder, "cqil-similar-inputs").verdict == expected
    (folder / "similarity.json").unlink()
    assert verdict(folder, "cqil-similar-inputs").verdict == NOT_TESTED


@pytest.mark.parametrize(
    ("grids", "expected"),
    [
        ([(3, 1, 2)], CONFIRMED),
        ([(1, 2, 3)], CONTRADICTED),
        ([(3, 2, 1), (3, 1, 2)], UNDECIDED),
        ([(2, 1)], NOT_TESTED),
    ],
)
def test_where_groups_lose_least(folder, grids, expected):
    (folder / "search" / "P2-G4.json").unlink()
    for number, losses in enumerate(grids):
        grid = [{"start": s, "end": s + 4, "nll": loss} for s, loss in enumerate(losses)]
        data = {"group_size": 2, "depth": 4, "grid": grid, "start": 1}
        write_json(folder / "search" / f"{number}.json", data)
    assert verdict(folder, "cqil-middle-insensitive").verdict == expected


def test_claims_on_plans_leave_healed_variants_out(results):
    """Removal is better than groups once it is healed, and worse before."""
    healed = {"healed": (*REMOVED["one"], [refit(2.0, 0.1)])}
    folder = results(GROUPS | {"one": REMOVED["one"]} | healed, (3.5, 5.0, 3.1))
    shutil.rmtree(folder / "multiple_choice")
    finding = verdict(folder, "cqil-beats-removal")
    assert finding.verdict == CONFIRMED
    assert "healed" not in finding.sentence

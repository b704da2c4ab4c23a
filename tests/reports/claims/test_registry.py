"""The files of claims, the arithmetic of claims, and claims in the report."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from reports.claims.checks import CHECKS, check_of, judge
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import CONFIDENCES, Claim, load_publications
from reports.claims.verdicts import MEANINGS, Verdict
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.page.sections.claims import ARITHMETIC, BY_RUN, OWN, judged_claims

CLAIMS = {claim.id: claim for work in load_publications() for claim in work.claims}


# --- the files


def test_every_claim_has_source_statement_and_confidence():
    assert len(CLAIMS) > 200
    for claim in CLAIMS.values():
        assert claim.source.strip()
        assert claim.statement.endswith(".")
        assert claim.confidence in CONFIDENCES


def test_every_check_is_used_and_every_claim_fits_its_check():
    used = {claim.check for claim in CLAIMS.values()} - {None}
    assert used == set(CHECKS)
    for claim in CLAIMS.values():
        if claim.check is not None:
            check_of(claim)


def test_tests_that_claims_name_exist():
    named = [claim.shown_by for claim in CLAIMS.values() if claim.shown_by]
    assert named
    for name in named:
        path, test = name.split("::")
        assert f"def {test}(" in Path(path).read_text()


def test_what_was_not_seen_has_no_number():
    unseen = [claim for claim in CLAIMS.values() if claim.not_seen]
    assert len(unseen) == 15
    assert not any(claim.values for claim in unseen)


@pytest.mark.parametrize(
    ("claim", "name", "number"),
    [
        ("cqil-33b-latency", "latency cut", "48.3"),
        ("cqil-readme-p2-latency", "latency cut", "26.2"),
        ("cqil-readme-p4-latency", "latency cut", "37.4"),
        ("cqil-readme-p2-d1", "Winogrande", "68.4"),
        ("cqil-readme-p4", "ARC-Easy", "65.5"),
        ("cqil-p4-speedups", "33B", "1.42"),
        ("uls-b1-full", "throughput", "51"),
        ("uls-b1-2x-skipdecode", "BLEU", "20.70"),
        ("uls-b8-5x-unified", "throughput", "1004"),
        ("uls-b2-5x-skipdecode", "throughput", "285"),
        ("lp-speedup", "speed-up", "1.19"),
        ("fusion-rates", "253B fused", "70.92"),
        ("ladder-slow-ladder", "TP 8", "82.59"),
        ("spd-latency", "latency", "-20"),
        ("sleb-70b", "20 % removed", "70.81"),
        ("removal-7b-blockpruner", "accuracy", "60.17"),
        ("removal-13b-flattengpt", "perplexity", "6.68"),
        ("gpt-fast-7b", "TP 4", "254.02"),
        ("del", "to", "2.62"),
        ("ci-noise", "variation", "2.66"),
    ],
)
def test_published_numbers(claim, name, number):
    value = CLAIMS[claim].quantities()[name].number
    assert value == Decimal(number)
    assert str(value) == number


def test_early_exit_has_no_throughput_in_batches():
    assert set(CLAIMS["uls-b8-2x-exit"].values) == {"BLEU"}


# --- what files may not hold

GOOD = {"id": "a-b", "statement": "It is so.", "source": "here", "confidence": "primary"}


def works(tmp_path, *claims, name="one.yaml", **shared):
    data = {
        "title": "T",
        "position": 1,
        "parts": [{"title": "P", **shared, "claims": list(claims)}],
    }
    (tmp_path / name).write_text(yaml.safe_dump(data))
    return load_publications(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"surprise": 1}, "surprise"),
        ({"conditions": {"gpu": "A100"}}, "gpu"),
        ({"confidence": "sure"}, "confidence"),
        ({"source": None}, "source"),
        ({"id": "No spaces"}, "id"),
        ({"check": "plan"}, "one of check, out_of_reach and not_seen"),
        ({"out_of_reach": None}, "one of check, out_of_reach and not_seen"),
        ({"given": {"layers": 3}}, "given belongs to a check"),
        ({"values": {"cut": 20.7}}, "write it as text"),
        ({"values": {"cut": "about 3"}}, "not a number with a unit"),
    ],
)
def test_a_wrong_claim_is_one_line(tmp_path, change, says):
    with pytest.raises(ValueError, match=rf"one\.yaml: .*{says}") as caught:
        works(tmp_path, {**GOOD, "out_of_reach": "too far", **change})
    assert "\n" not in str(caught.value)


def test_what_was_not_seen_may_not_have_values(tmp_path):
    with pytest.raises(ValueError, match="cannot have values"):
        works(tmp_path, {**GOOD, "not_seen": True, "values": {"cut": "3 %"}})


def test_ids_are_unique_over_files(tmp_path):
    far = {**GOOD, "out_of_reach": "too far"}
    works(tmp_path, far)
    with pytest.raises(ValueError, match=r"two\.yaml: a-b is also in one\.yaml"):
        works(tmp_path, far, name="two.yaml")


def test_a_claim_takes_from_its_part_what_it_does_not_say(tmp_path):
    complete = {
        "id": "complete",
        "statement": "S.",
        "source": "elsewhere",
        "conditions": {"batch": 2},
    }
    tested = {"id": "tested", "statement": "S.", "check": "plan"}
    shared = {"confidence": "derived", "source": "here", "out_of_reach": "too far"}
    (work,) = works(tmp_path, complete, tested, conditions={"model": "M", "batch": 1}, **shared)
    first, second = work.claims
    assert (first.source, first.confidence, first.out_of_reach) == (
        "elsewhere",
        "derived",
        "too far",
    )
    assert (first.conditions.model, first.conditions.batch) == ("M", 2)
    assert (second.source, second.out_of_reach, second.conditions.batch) == ("here", None, 1)


def test_unknown_checks_and_arguments_are_refused():
    unknown = Claim(**GOOD, check="guess")
    with pytest.raises(ValueError, match=r"a-b: check: 'guess' is unknown; use one of .*accuracy"):
        check_of(unknown)
    with pytest.raises(ValueError, match="a-b: given does not fit plan"):
        check_of(Claim(**GOOD, check="plan", given={"depth": 3}))
    with pytest.raises(ValueError, match="nothing/here: is no published number"):
        ClaimEvidence(None, CLAIMS).published("nothing/here")


# --- arithmetic


def arithmetic():
    """Claims whose check reads plans and published numbers alone."""
    modules = {"reports.claims.arithmetic", "reports.claims.published"}
    return [c for c in CLAIMS.values() if c.check and CHECKS[c.check].__module__ in modules]


def test_all_arithmetic_holds_but_the_digest():
    fails = [
        c.id for c in arithmetic() if judge(c, ClaimEvidence(None, CLAIMS)).verdict != Verdict.HOLDS
    ]
    assert len(arithmetic()) > 40
    assert fails == ["uls-over-others-digest"]


@pytest.mark.parametrize("claim", arithmetic(), ids=lambda claim: claim.id)
def test_arithmetic_fails_on_other_values(claim):
    """Every value alone decides: one that is off makes the claim fail."""
    for name, value in claim.values.items():
        if isinstance(value, tuple):
            wrong = value[:-1]
        else:
            wrong = value.model_copy(update={"number": value.number * Decimal("0.9") - 1})
        changed = claim.model_copy(update={"values": {**claim.values, name: wrong}})
        assert judge(changed, ClaimEvidence(None, CLAIMS)).verdict == Verdict.FAILS


@pytest.mark.parametrize(
    ("claim", "numbers"),
    [
        ("cqil-s12-e30-p2", "depth: 23 layers; ideal cut: 28.12 %"),
        ("cqil-s14-e30-p4", "depth: 20 layers; ideal cut: 37.50 %"),
        ("cqil-33b-depth-ratio", "depth: 31 layers; ideal cut: 48.33 %"),
        ("cqil-collectives", "broadcasts: 1; all-reduces: 9"),
        ("uls-kept-30-5x", "code: 0, 6, 12, 18, 24, 29; paper: 0, 5, 10, 15, 20, 29"),
        ("uls-counts-60", "2×: 30; 3×: 20; 5×: 12"),
        ("tensor-parallel-cuts", "TP 2: 37.87 %; TP 4: 58.70 %; TP 8: 68.06 %"),
        ("cqil-bypass-counted-twice", "times counted: 2"),
        ("cqil-readme-bypass-gap", "1.43 standard errors, MMLU"),
        ("uls-two-rules", "first ratio: 5×"),
    ],
)
def test_arithmetic_by_hand(claim, numbers):
    assert numbers in judge(CLAIMS[claim], ClaimEvidence(None, CLAIMS)).sentence


# --- the report


def test_every_verdict_has_a_meaning():
    assert list(MEANINGS) == list(Verdict)


def test_every_claim_stands_in_the_group_of_what_judges_it(folder):
    judged = judged_claims(Estimates(load_results(folder)))
    shown = {fold.title.split(" (")[0]: fold.blocks[0].data for fold in judged.groups}
    assert sum(map(len, shown.values())) == len(CLAIMS)
    of_run, own = shown[BY_RUN.title], shown[OWN.title]
    assert not of_run["verdict"].str.startswith(("arithmetic", "not", "out")).any()
    assert set(own["confidence"]) == {"own"}
    assert set(shown[ARITHMETIC.title]["verdict"]) == {"arithmetic holds", "arithmetic fails"}
    assert "pairs before" not in " ".join(of_run["claim"])
    published = len(CLAIMS) - len(own)
    assert judged.summary.startswith(
        f"Of {published} published claims, this run judges {len(of_run)}: "
    )
    assert "which reproduces no measurement" in judged.summary


def test_only_what_this_run_judges_is_open(html, folder):
    judged = judged_claims(Estimates(load_results(folder)))
    assert [fold.opened for fold in judged.groups] == [True] + [False] * (len(judged.groups) - 1)
    for fold in judged.groups:
        assert f"<summary>{fold.title}</summary>" in html
    assert "what run “made-up” (tiny, 6 layers) says about each" in html


def test_the_table_is_written(drawn_report):
    text = (drawn_report / "tables" / "claims.csv").read_text()
    assert "cqil-33b-latency" in text
    assert "| uls-b1-2x-unified" in (drawn_report / "tables" / "claims.md").read_text()
